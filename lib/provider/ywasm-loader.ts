import type * as ywasm from 'ywasm';

/*
 * ywasm as published is CommonJS for Node: its last lines read the .wasm with `fs` and instantiate it. This loader
 * runs the same glue, unchanged, with a `require` and a `WebAssembly` of its own, from bytes that the application
 * has fetched or read. Each instance has a memory of its own, so that one can be thrown away after a trap.
 */

export type Ywasm = typeof ywasm;

/** The text of `ywasm.js` as a function; see `wrapYwasmGlue`. */
export type YwasmGlue = (
  ...surroundings: [
    module: { exports: object },
    exports: object,
    require: (name: string) => unknown,
    dirname: string,
    webAssembly: object,
  ]
) => void;

export interface YwasmSource {
  /** `ywasm.js` of the package: wrapped by `wrapYwasmGlue` at build time, or its text where `unsafe-eval` is allowed. */
  glue: YwasmGlue | string;
  /** `ywasm_bg.wasm` of the package, the same version: its bytes, the answer of a `fetch`, or a compiled module. */
  wasm: BufferSource | Response | WebAssembly.Module;
}

const GLUE_PARAMETERS = ['module', 'exports', 'require', '__dirname', 'WebAssembly'] as const;

/** The text of `ywasm.js` as an ES module whose default export is a `YwasmGlue`: for pages without `unsafe-eval`. */
export function wrapYwasmGlue(text: string): string {
  return `export default function (${GLUE_PARAMETERS.join(', ')}) {\n${text}\n}\n`;
}

/**
 * Compiles once and returns a function that makes an instance: `const { YDoc } = create()`. Documents of one
 * instance go down together when it traps; make another instance for the documents that take their place.
 */
export async function loadYwasm({ glue, wasm }: YwasmSource): Promise<() => Ywasm> {
  const compiled = await compile(wasm);
  const run = typeof glue === 'string' ? evaluate(glue) : glue;
  return () => instantiate(run, compiled);
}

function compile(wasm: YwasmSource['wasm']): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return Promise.resolve(wasm);
  if (wasm instanceof Response) return WebAssembly.compileStreaming(wasm);
  return WebAssembly.compile(wasm);
}

/** The application gives the text of a package that it has installed: it is as trusted as any of its code. */
function evaluate(text: string): YwasmGlue {
  return new Function(...GLUE_PARAMETERS, text) as YwasmGlue;
}

function instantiate(run: YwasmGlue, compiled: WebAssembly.Module): Ywasm {
  const module = { exports: {} };
  // Returns what has been compiled already: browsers bound the size of what is compiled synchronously.
  class CompiledModule {
    constructor() {
      return compiled;
    }
  }
  run(module, module.exports, requireForGlue, '', {
    Module: CompiledModule,
    Instance: WebAssembly.Instance,
    RuntimeError: WebAssembly.RuntimeError,
  });
  return module.exports as Ywasm;
}

/** What the glue asks Node for. The "bytes" are never looked at: the module is compiled already. */
function requireForGlue(name: string): unknown {
  switch (name) {
    case 'util':
      return { TextDecoder, TextEncoder };
    case 'path':
      return { join: () => '' };
    case 'fs':
      return { readFileSync: () => new Uint8Array() };
    default:
      throw new TypeError(`This version of ywasm needs ${name}, which the loader does not know.`);
  }
}

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { ApiRoute } from '../../lib/http/api-routes.ts';
import { openApiDocument } from '../../lib/http/openapi.ts';

const DOCUMENT = 'http://api.invalid/openapi.json';

interface Described {
  status: number;
  contentType: string;
  body: unknown;
}

/** Holds what a server answers against the description of the API. */
export class ApiDescription {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #document: Record<string, unknown>;
  /** Names in the path come last, so that they hide nothing. */
  readonly #routes: { method: string; path: string }[];

  constructor(document: Record<string, unknown> = openApiDocument('0')) {
    this.#document = document;
    this.#routes = Object.entries(document.paths as Record<string, object>)
      .flatMap(([path, item]) => Object.keys(item).map((method) => ({ method, path })))
      .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')));
    // Its default export is typed as the module.
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
    this.#ajv.addSchema({ $id: DOCUMENT, ...document });
  }

  /** Throws when the answer is not as described; says nothing of paths that are not. */
  check(method: string, url: string, { status, contentType, body }: Described): void {
    const path = url.split('?')[0]!;
    const route = this.#routes.find((known) => known.method === method && patternOf(known).test(path));
    if (!route) return;
    const where = `${method} ${route.path} ${status}`;
    const response = this.#at(['paths', route.path, method, 'responses', String(status)]);
    if (!response) throw new Error(`${where} is not described`);
    const content = (response as { content?: Record<string, unknown> }).content;
    if (!content) {
      if (body !== undefined) throw new Error(`${where} has a body`);
      return;
    }
    const type = contentType.split(';')[0]!;
    if (!content[type])
      throw new Error(`${where} is described as ${Object.keys(content).join()}, not ${type}`);
    const validate = this.#validator([
      ...['paths', route.path, method, 'responses', String(status), 'content', type, 'schema'],
    ]);
    if (!validate(body))
      throw new Error(
        `${where} is not as described: ${this.#ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`,
      );
  }

  /** Whether the body of a request is as described. */
  accepts({ method, path }: ApiRoute, body: unknown): boolean {
    return this.#validator(['paths', path, method, 'requestBody', 'content', 'application/json', 'schema'])(
      body,
    ) as boolean;
  }

  #at(pointer: readonly string[]): unknown {
    return pointer.reduce<unknown>(
      (at, key) => (at as Record<string, unknown> | undefined)?.[key],
      this.#document,
    );
  }

  #validator(pointer: readonly string[]): ValidateFunction {
    const escaped = pointer.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1')));
    const $ref = `${DOCUMENT}#/${escaped.join('/')}`;
    let validate = this.#validators.get($ref);
    if (!validate) this.#validators.set($ref, (validate = this.#ajv.compile({ $ref })));
    return validate;
  }
}

function patternOf({ path }: { path: string }): RegExp {
  return new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
}

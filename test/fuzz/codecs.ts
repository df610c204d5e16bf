import { Coverage } from './coverage.ts';
import { joined, mutateBytes } from './mutate-bytes.ts';
import { SeededRandom } from './random.ts';

/** A reader of bytes from outside, and what must hold for it. */
export interface CodecTarget {
  name: string;
  /** Sound inputs, which are then damaged. */
  seeds: readonly Uint8Array[];
  /** Reads the input and throws when something does not hold; a failure of the reader's own kind is no fault. */
  run: (input: Uint8Array) => void;
}

export interface CodecFuzzOptions {
  seed: number;
  seconds: number;
  /** Imports them: V8 counts the blocks of those functions only that are compiled after it was told to. */
  targets: () => Promise<readonly CodecTarget[]>;
  /** The scripts whose blocks count, by URL or path. */
  isWatched: (url: string) => boolean;
}

export interface Finding {
  target: string;
  fault: string;
  /** The shortest input found that shows it. */
  hex: string;
}

export interface CodecFuzzReport {
  seed: number;
  /** Borders of blocks that were reached. */
  blocks: number;
  inputs: Record<string, number>;
  /** Inputs that were kept because they reached something. */
  corpus: Record<string, number>;
  findings: Finding[];
}

/** Asking V8 costs as much as hundreds of inputs. */
const BATCH = 256;
/** Of each batch so many are looked at alone, for how often they ran what others have run. */
const ALONE = 2;
const MAX_BYTES = 64 * 1024;
/** For 64 kB. What takes longer is tried again, since the machine may have been busy. */
const MAX_MS = 50;
const TRIES = 5;
const MAX_FINDINGS_PER_TARGET = 5;
const SHRINKING_STEPS = 400;
const SHRINKING_MS = 1_000;

/** Inputs that reach new code are kept and damaged further, by a seed, for a time. Once a process. */
export async function fuzzCodecs(options: CodecFuzzOptions): Promise<CodecFuzzReport> {
  const { seed, seconds, targets, isWatched } = options;
  const random = new SeededRandom(seed);
  const coverage = new Coverage(isWatched);
  try {
    const runs = (await targets()).map((target) => new TargetRun(target, coverage, random.fork()));
    const endMs = performance.now() + seconds * 1000;
    for (const run of runs) run.begin();
    // Where every reader is faulty already, nothing is left to look for.
    while (performance.now() < endMs && runs.some(({ findings }) => findings.length === 0))
      for (const run of runs) if (performance.now() < endMs) run.batch();
    const each = (of: (run: TargetRun) => number) =>
      Object.fromEntries(runs.map((run) => [run.target.name, of(run)]));
    return {
      seed,
      blocks: coverage.blocks,
      inputs: each(({ inputs }) => inputs),
      corpus: each(({ corpus }) => corpus.length),
      findings: runs.flatMap((run) => run.findings),
    };
  } finally {
    coverage.close();
  }
}

class TargetRun {
  readonly target: CodecTarget;
  readonly corpus: Uint8Array[] = [];
  readonly #byFault = new Map<string, Finding>();
  readonly #coverage: Coverage;
  readonly #random: SeededRandom;
  inputs = 0;

  constructor(target: CodecTarget, coverage: Coverage, random: SeededRandom) {
    this.target = target;
    this.#coverage = coverage;
    this.#random = random;
  }

  get findings(): Finding[] {
    return [...this.#byFault.values()];
  }

  begin(): void {
    this.#coverage.skip();
    for (const seed of [...this.target.seeds, new Uint8Array(0)]) {
      this.#try(seed);
      this.#coverage.learn();
      this.corpus.push(seed);
    }
  }

  batch(): void {
    const inputs = Array.from({ length: BATCH }, () => this.#mutated());
    for (const input of inputs) this.#try(input);
    if (this.#coverage.hasReached()) this.#keep(inputs);
    else for (const input of inputs.slice(-ALONE)) this.#keep([input]);
  }

  /** Finds, by halves, those that reach what nothing before them has reached. */
  #keep(inputs: readonly Uint8Array[]): void {
    for (const input of inputs) faultOf(this.target, input);
    if (inputs.length === 1) {
      if (this.#coverage.learn()) this.corpus.push(inputs[0]!);
    } else if (this.#coverage.hasReached()) {
      const middle = inputs.length >> 1;
      this.#keep(inputs.slice(0, middle));
      this.#keep(inputs.slice(middle));
    }
  }

  #mutated(): Uint8Array {
    const random = this.#random;
    // What was found last is the furthest.
    const from = random.chance(0.3) ? Math.max(0, this.corpus.length - 8) : 0;
    let input = this.corpus[from + random.below(this.corpus.length - from)]!;
    for (let count = 1 + random.below(3); count > 0; count--) {
      const how = random.below(10);
      if (how === 0) input = spliced(input, random.pick(this.corpus), random);
      else if (how === 1) input = repeated(input, random);
      else input = mutateBytes(input, random);
    }
    return input.subarray(0, MAX_BYTES);
  }

  #try(input: Uint8Array): void {
    this.inputs++;
    const fault = faultOf(this.target, input);
    if (fault === undefined || this.#byFault.has(fault)) return;
    if (this.#byFault.size >= MAX_FINDINGS_PER_TARGET) return;
    const hex = Buffer.from(shrunk(input, (shorter) => faultOf(this.target, shorter) === fault)).toString(
      'hex',
    );
    this.#byFault.set(fault, { target: this.target.name, fault, hex });
  }
}

/** What does not hold, undefined when all does. */
function faultOf({ run }: CodecTarget, input: Uint8Array): string | undefined {
  for (let attempt = 1; ; attempt++) {
    const startedMs = performance.now();
    try {
      run(input);
    } catch (error) {
      return String(error).slice(0, 500);
    }
    if (performance.now() - startedMs <= MAX_MS) return undefined;
    if (attempt === TRIES) return `took more than ${MAX_MS} ms`;
  }
}

function spliced(a: Uint8Array, b: Uint8Array, random: SeededRandom): Uint8Array {
  const head = a.subarray(0, random.below(a.byteLength + 1));
  return joined([head, b.subarray(random.below(b.byteLength + 1))]);
}

/** A part of it many times over: lists get long, brackets deep. */
function repeated(input: Uint8Array, random: SeededRandom): Uint8Array {
  const from = random.below(input.byteLength + 1);
  const part = input.subarray(from, from + 1 + random.below(16));
  const parts = Array.from({ length: 1 << random.below(10) }, () => part);
  return joined([input.subarray(0, from), ...parts, input.subarray(from)]).subarray(0, MAX_BYTES);
}

/** Leaves parts out for as long as the rest still shows the fault. */
function shrunk(input: Uint8Array, isFaulty: (input: Uint8Array) => boolean): Uint8Array {
  let kept = input;
  let steps = SHRINKING_STEPS;
  const endMs = performance.now() + SHRINKING_MS;
  for (let size = Math.ceil(kept.byteLength / 2); size >= 1 && steps > 0; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.byteLength && steps > 0; steps--) {
      if (performance.now() > endMs) return kept;
      const shorter = joined([kept.subarray(0, at), kept.subarray(at + size)]);
      if (isFaulty(shorter)) kept = shorter;
      else at += size;
    }
  }
  return kept;
}

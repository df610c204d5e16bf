import { Session, type Profiler } from 'node:inspector';

/** Where a block begins or ends, and how often it was run so far: a bit for each order of magnitude. */
type Probes = Map<number, number>;

/** Upper ends of the magnitudes: once, twice, three times, up to 7, 15, 31, 127, more. */
const MAGNITUDES = [1, 2, 3, 7, 15, 31, 127, Infinity];

/**
 * What of the code has been run, by V8's own counters of blocks. V8 leaves a block out that was run as often as the one
 * around it, so every border that it ever named is looked up again in each answer.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #isWatched: (url: string) => boolean;
  readonly #functions = new Map<string, Probes>();
  #blocks = 0;

  /** `isWatched`: the scripts that count, by URL or path. */
  constructor(isWatched: (url: string) => boolean) {
    this.#isWatched = isWatched;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Borders of blocks that have been reached. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Forgets what was run since the last question. */
  skip(): void {
    this.#take();
  }

  /** Whether a block was reached that never was before; remembers nothing of it. */
  hasReached(): boolean {
    let isNew = false;
    this.#visit((probes, offset, count) => {
      if (count > 0 && !probes.get(offset)) isNew = true;
    });
    return isNew;
  }

  /** Whether a block was run for the first time, or more or less often than ever; remembers it. */
  learn(): boolean {
    let isNew = false;
    this.#visit((probes, offset, count) => {
      if (count === 0) return;
      const seen = probes.get(offset) ?? 0;
      const magnitude = 1 << MAGNITUDES.findIndex((end) => count <= end);
      if (seen & magnitude) return;
      if (seen === 0) this.#blocks++;
      probes.set(offset, seen | magnitude);
      isNew = true;
    });
    return isNew;
  }

  close(): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  #visit(visit: (probes: Probes, offset: number, count: number) => void): void {
    for (const { scriptId, url, functions } of this.#take()) {
      if (!this.#isWatched(url)) continue;
      for (const { ranges } of functions) {
        const probes = this.#probesOf(scriptId, ranges);
        for (const offset of probes.keys()) visit(probes, offset, countAt(ranges, offset));
      }
    }
  }

  #probesOf(scriptId: string, ranges: readonly Profiler.CoverageRange[]): Probes {
    const key = `${scriptId}:${ranges[0]!.startOffset}:${ranges[0]!.endOffset}`;
    let probes = this.#functions.get(key);
    if (!probes) this.#functions.set(key, (probes = new Map()));
    for (const { startOffset, endOffset } of ranges)
      for (const offset of [startOffset, endOffset]) if (!probes.has(offset)) probes.set(offset, 0);
    return probes;
  }

  #take(): Profiler.ScriptCoverage[] {
    return this.#post<Profiler.TakePreciseCoverageReturnType>('Profiler.takePreciseCoverage').result;
  }

  /** A session of the own thread answers before `post` returns. */
  #post<T>(method: string, params: object = {}): T {
    let answer: { error: Error | null; result: T } | undefined;
    this.#session.post(method, params, (error, result) => (answer = { error, result: result as T }));
    if (!answer || answer.error) throw new Error(`${method} failed.`, { cause: answer?.error });
    return answer.result;
  }
}

/** The count of the innermost range: they come nested, the outer ones first. */
function countAt(ranges: readonly Profiler.CoverageRange[], offset: number): number {
  let found = 0;
  for (const { startOffset, endOffset, count } of ranges)
    if (startOffset <= offset && offset < endOffset) found = count;
  return found;
}

import { readFileSync } from 'node:fs';

const EVERY_MS = 100;

/** Resident memory of a process in MB; 0 when it has ended. Linux only. */
export function rssMb(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has ended
  }
}

/** Follows the memory of named processes: the peak of each, and of all together at one moment. */
export class MemoryWatch {
  readonly startMb: Record<string, number> = {};
  readonly peakMb: Record<string, number> = {};
  peakSumMb = 0;
  readonly #pids: ReadonlyMap<string, number>;
  readonly #timer: NodeJS.Timeout;

  constructor(pids: ReadonlyMap<string, number>) {
    this.#pids = pids;
    for (const [name, pid] of pids) this.startMb[name] = Math.round(rssMb(pid));
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  get startSumMb(): number {
    return Object.values(this.startMb).reduce((sum, mb) => sum + mb, 0);
  }

  /** Peaks count from now on. */
  restart(): void {
    for (const name of this.#pids.keys()) this.peakMb[name] = 0;
    this.peakSumMb = 0;
    this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let sum = 0;
    for (const [name, pid] of this.#pids) {
      const mb = Math.round(rssMb(pid));
      this.peakMb[name] = Math.max(this.peakMb[name] ?? 0, mb);
      sum += mb;
    }
    this.peakSumMb = Math.max(this.peakSumMb, sum);
  }
}

import type { Cluster } from '../../../scripts/lib/cluster.ts';

export interface Kill {
  process: string;
  /** From the kill until it was ready again. */
  readyAfterMs: number;
}

export interface KillerOptions {
  cluster: Cluster;
  everyMs: number;
  /** Names of processes that live through the whole run, so that a leak has the time to show. */
  spared: readonly string[];
  random: () => number;
  onKill: (name: string) => void;
  /** A process that does not come back ends the run. */
  onFailure: (error: unknown) => void;
}

/** Ends a random process with SIGKILL at regular times, and starts it again. */
export class Killer {
  readonly kills: Kill[] = [];
  readonly #options: KillerOptions;
  readonly #timer: NodeJS.Timeout;
  #killing: Promise<void> | undefined;

  constructor(options: KillerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#killing ??= this.#kill()
        .catch(options.onFailure)
        .finally(() => {
          this.#killing = undefined;
        });
    }, options.everyMs);
  }

  /** Resolves when everything runs. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#killing;
  }

  async #kill(): Promise<void> {
    const { cluster, spared, random, onKill } = this.#options;
    const names = [...cluster.processes.keys()].filter((name) => !spared.includes(name));
    const name = names[Math.floor(random() * names.length)]!;
    const began = performance.now();
    await cluster.processes.get(name)!.end('SIGKILL');
    onKill(name);
    await cluster.restart(name);
    this.kills.push({ process: name, readyAfterMs: performance.now() - began });
  }
}

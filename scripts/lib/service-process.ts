import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isStartedByFaultSuite } from '../../lib/config.ts';
import { TAKEN_BACK, type FailpointMessage } from '../../lib/failpoints.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUNNER = join(ROOT, 'node_modules/moleculer/bin/moleculer-runner.mjs');
const LOG_LINES_KEPT = 200;
const READY_POLL_MS = 50;

export interface ServiceProcessOptions {
  /** Node id, e.g. `gateway-1`. */
  name: string;
  /** File names without `.service.ts`: all of them run in the process. */
  services: readonly string[];
  env: Record<string, string>;
  /** Called for each line that the process logs. */
  onLine?: (name: string, line: string) => void;
  /** Called when it ends without having been asked to. */
  onDeath?: (name: string, state: { code: number | null; signal: NodeJS.Signals | null }) => void;
}

/** One service in its own process, as an operator runs it. */
export class ServiceProcess {
  readonly name: string;
  readonly #options: ServiceProcessOptions;
  #child: ChildProcess | undefined;
  #isOpen = false;
  #exited: Promise<void> = Promise.resolve();
  #port: number | undefined;
  #isExpectedToEnd = false;
  #lines: string[] = [];

  constructor(options: ServiceProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** What the process was started with. */
  get environment(): Record<string, string> {
    return this.#options.env;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last lines that it logged. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Of the last run; undefined while it runs, null when a signal ended it. */
  get exitCode(): number | null | undefined {
    return this.isRunning ? undefined : this.#child?.exitCode;
  }

  /** Until its end has been told, and its last lines: who starts it again then hears nothing more of the last run. */
  get isRunning(): boolean {
    return this.#isOpen;
  }

  /** Base URL of its internal listener, once it has told. */
  get internalUrl(): string | undefined {
    return this.#port === undefined ? undefined : `http://127.0.0.1:${this.#port}`;
  }

  start(): void {
    this.#isExpectedToEnd = false;
    this.#port = undefined;
    this.#lines = [];
    const args = [
      '--disable-warning=ExperimentalWarning',
      RUNNER,
      '--config',
      'moleculer.config.ts',
      ...this.#options.services.map((service) => `services/${service}.service.ts`),
    ];
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: this.#options.env,
      // Its own process group: Ctrl-C reaches only the parent, which stops all in order.
      detached: true,
      // Over the channel the fault suite gives its orders (lib/failpoints.ts).
      stdio: [
        'ignore',
        'pipe',
        'pipe',
        ...(isStartedByFaultSuite(this.#options.env) ? (['ipc'] as const) : []),
      ],
    });
    this.#child = child;
    this.#isOpen = true;
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.#take(line));
    this.#exited = new Promise((resolve) => {
      // Not `exit`: its last lines may still be on their way then.
      child.once('close', (code, signal) => {
        this.#isOpen = false;
        if (!this.#isExpectedToEnd) this.#options.onDeath?.(this.name, { code, signal });
        resolve();
      });
    });
  }

  #take(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LOG_LINES_KEPT) this.#lines.shift();
    if (line.includes('internal listener open')) this.#port = (JSON.parse(line) as { port: number }).port;
    this.#options.onLine?.(this.name, line);
  }

  /** Resolves with the health report once `/health/ready` answers 200; throws at the deadline or when it has died. */
  async waitUntilReady(timeoutMs = 120_000): Promise<Record<string, unknown>> {
    const deadline = performance.now() + timeoutMs;
    let last = 'no answer yet';
    while (performance.now() < deadline) {
      if (!this.isRunning)
        throw new Error(
          `${this.name} ended while starting (${this.#child?.signalCode ?? this.#child?.exitCode}):\n${this.#lines.slice(-20).join('\n')}`,
        );
      if (this.internalUrl) {
        try {
          const response = await fetch(`${this.internalUrl}/health/ready`, {
            signal: AbortSignal.timeout(5_000),
          });
          last = await response.text();
          if (response.ok) return JSON.parse(last) as Record<string, unknown>;
        } catch (error) {
          last = String(error); // not listening yet, or busy: asked again until the deadline
        }
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
    }
    throw new Error(
      `${this.name} was not ready within ${timeoutMs} ms: ${last}\n${this.#lines.slice(-20).join('\n')}`,
    );
  }

  /** Sends a signal that is meant to end the process, and waits for its end. */
  async end(signal: NodeJS.Signals, timeoutMs = 25_000): Promise<void> {
    if (!this.isRunning) return;
    this.#isExpectedToEnd = true;
    this.#child?.kill(signal);
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), timeoutMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Resolves when it does not run any more, or has not ended by itself in time. */
  async ended(timeoutMs: number): Promise<void> {
    if (!this.isRunning) return;
    await Promise.race([this.#exited, pause(timeoutMs, undefined, { ref: false })]);
  }

  /** Orders a failpoint; does nothing unless the process was started with failpoints. */
  order(message: FailpointMessage): void {
    if (this.isRunning && this.#child!.connected) this.#child!.send(message, () => undefined);
  }

  /** Takes an order back; resolves when the process says that it has none, or has ended by it. */
  async takeBackOrder(): Promise<void> {
    const child = this.#child;
    if (!child || !this.isRunning || !child.connected) return;
    const answered = new Promise<void>((resolve) => {
      const onMessage = (message: unknown) => {
        if (message !== TAKEN_BACK) return;
        child.off('message', onMessage);
        resolve();
      };
      child.on('message', onMessage);
    });
    child.send({ failpoint: 'none' } satisfies FailpointMessage, () => undefined);
    await Promise.race([answered, this.#exited]);
  }

  /** Sends any signal (SIGSTOP, SIGCONT) without waiting. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }
}

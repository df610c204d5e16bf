import { writeSync } from 'node:fs';
import { AppError } from './errors.ts';

/** Moments on the way of an update, or of a change of rights, at which tests end, freeze, delay or fail a process. */
export const FAILPOINTS = [
  'append:before',
  'append:after',
  'fan-out:before',
  'fan-out:after',
  'ack:before',
  'ack:after',
  'insert:before',
  'insert:after',
  'commit:before',
  'commit:after',
  'snapshot:before',
  'snapshot:after',
  'trim:before',
  'trim:after',
  'join:before',
  'join:after',
  'fold:before',
  'fold:after',
  'relay:before',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** What happens at one of the next hits of a point, once. */
export interface FailpointOrder {
  point: Failpoint;
  /** 1 = the next hit. */
  hit: number;
  /** fail: the point throws a retryable error. delay: the whole process stands still for `delayMs`. */
  action: 'kill' | 'freeze' | 'delay' | 'fail';
  delayMs?: number;
}

/** What the parent process sends: the order that counts from now on, in place of any before it. */
export interface FailpointMessage {
  failpoint: FailpointOrder | 'none';
}

/** The answer to `none`: from here on nothing happens at a point, and what has happened was said before. */
export const TAKEN_BACK = 'failpoint taken back';

/** The part of `process` that is needed here. */
export interface FailpointProcess {
  readonly pid: number;
  /** Undefined unless the parent opened a channel at the start: nothing else can give orders. */
  readonly send?: ((message: string) => unknown) | undefined;
  readonly channel?: { unref(): void } | null | undefined;
  on(event: 'message' | 'disconnect', listener: (message?: unknown) => void): unknown;
  kill(pid: number, signal: NodeJS.Signals): unknown;
}

let onHit: ((point: Failpoint) => void) | undefined;

/** Nothing, in every process but those that the fault suite has started. */
export function failpoint(point: Failpoint): void {
  onHit?.(point);
}

/**
 * Takes orders from the parent process, over the channel that it opened when it started this one. Without the
 * suite's environment variable, or without such a channel, nothing is listened to. True when it listens.
 */
export function openFailpoints(isEnabled: boolean, self: FailpointProcess = process): boolean {
  if (!isEnabled || self.send === undefined) return false;
  self.on('message', (message) => {
    const order = (message as Partial<FailpointMessage> | null)?.failpoint;
    if (order === 'none') {
      onHit = undefined;
      self.send?.(TAKEN_BACK);
    } else if (order !== undefined) onHit = countdown(order, self);
  });
  // The suite has died: nobody else would end this process.
  self.on('disconnect', () => self.kill(self.pid, 'SIGKILL'));
  self.channel?.unref(); // listening alone does not keep the process alive
  return true;
}

function countdown(order: FailpointOrder, self: FailpointProcess): (point: Failpoint) => void {
  let left = order.hit;
  return (point) => {
    if (point !== order.point || --left > 0) return;
    onHit = undefined;
    act(order, self);
  };
}

function act({ point, action, delayMs = 0 }: FailpointOrder, self: FailpointProcess): void {
  // Written at once: a line through the logger might never leave a process that dies here.
  writeSync(1, `${JSON.stringify({ level: 30, msg: 'failpoint reached', point, action })}\n`);
  if (action === 'kill') self.kill(self.pid, 'SIGKILL');
  if (action === 'freeze') self.kill(self.pid, 'SIGSTOP');
  if (action === 'delay') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delayMs);
  if (action === 'fail') throw new AppError('STORE_UNAVAILABLE', { message: `Failed on purpose: ${point}.` });
}

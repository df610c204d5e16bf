import type { SimProcess } from './process.ts';

/** Something that will happen. Its process must be there then; without one it happens in the world between them. */
export interface SimEvent {
  at: number;
  readonly order: number;
  readonly label: string;
  readonly process: SimProcess | undefined;
  run: (() => void) | undefined;
}

/** Beyond so many events a schedule goes in circles. */
const MAX_EVENTS = 200_000;

/**
 * Virtual time: one event after the other, by time and then by the order in which they were asked for. Between two
 * events all promises run dry, so that the code under test is deterministic although it is asynchronous.
 */
export class Scheduler {
  now = 0;
  /** Of everything that happened, in order. */
  hash = 0x811c9dc5;
  events = 0;
  /** Told about each event; for people. */
  onEvent: ((event: SimEvent) => void) | undefined;
  readonly #heap: SimEvent[] = [];
  #order = 0;

  after(delayMs: number, label: string, run: () => void, process?: SimProcess): SimEvent {
    const event = { at: this.now + Math.max(0, delayMs), order: this.#order++, label, process, run };
    this.#push(event);
    return event;
  }

  cancel(event: SimEvent): void {
    event.run = undefined;
  }

  /** Something of the world's own that belongs to the trace. */
  note(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x01000193) >>> 0;
  }

  noteText(text: string): void {
    for (let at = 0; at < text.length; at++) this.note(text.charCodeAt(at));
  }

  /** Until the condition holds after an event, or nothing is left to happen. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (isDone() || !this.#next()) return resolve();
        } catch (error) {
          return reject(error as Error);
        }
        queueMicrotask(next);
      };
      // A tick comes only when no microtask is left, those that this event made by and by included.
      const next = () => process.nextTick(step);
      step();
    });
  }

  /** False when nothing is left. */
  #next(): boolean {
    for (;;) {
      const event = this.#pop();
      if (!event) return false;
      const { process: at, run } = event;
      if (!run || at?.isDead) continue;
      if (at && at.frozenUntil > event.at) {
        event.at = at.frozenUntil;
        this.#push(event);
        continue;
      }
      if (++this.events > MAX_EVENTS) throw new Error(`more than ${MAX_EVENTS} events: ${event.label}`);
      this.now = event.at;
      this.note(event.at * 1000);
      this.noteText(event.label);
      this.onEvent?.(event);
      run();
      return true;
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): SimEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}

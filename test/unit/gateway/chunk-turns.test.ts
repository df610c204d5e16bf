import { describe, expect, it } from '@jest/globals';
import { ChunkTurns } from '../../../lib/gateway/chunk-turns.ts';
import { Outbox } from '../../../lib/gateway/outbox.ts';
import type { ClientTransport } from '../../../lib/gateway/port.ts';
import { ManualClock } from './manual-clock.ts';

const MAX_FRAME_BYTES = 1_000;
const PER_TURN = 2_000;
const at = (offset: number) => ({ generation: 1, epoch: 1, partition: 0, offset });

/** Connections that take everything at once. */
function world(connections: number) {
  const clock = new ManualClock();
  let immediates: (() => void)[] = [];
  const turns = new ChunkTurns({ setImmediate: (callback) => void immediates.push(callback) }, PER_TURN);
  /** One turn of the loop; false when nothing wants one. */
  const turn = () => {
    const due = immediates;
    immediates = [];
    for (const callback of due) callback();
    return due.length > 0;
  };
  const sent: { connection: number; bytes: Uint8Array; parts: readonly Uint8Array[] }[] = [];
  const outboxes = Array.from({ length: connections }, (_, connection) => {
    const transport: ClientTransport = {
      send: ({ bytes, parts }) => void sent.push({ connection, bytes, parts }),
      nack: () => undefined,
      close: () => undefined,
      queuedBytes: () => 0,
      onDrain: () => undefined,
    };
    return new Outbox({
      transport,
      clock,
      turns,
      maxQueueBytes: 1_000_000,
      maxFrameBytes: MAX_FRAME_BYTES,
      onDropped: () => undefined,
      onDrained: () => undefined,
      onOverflow: () => undefined,
    });
  });
  return { turn, turns, sent, outboxes };
}

describe('large states to many connections', () => {
  it('take a bounded part of each turn of the loop, in turns, and all get theirs', async () => {
    const { turn, sent, outboxes } = world(5);
    const state = new Uint8Array(20_000).fill(7);
    const done = outboxes.map((outbox) =>
      outbox.state({ sent: undefined }, [Uint8Array.of(6), state], at(1)),
    );
    const perTurn: number[] = [];
    let before = 0;
    do {
      perTurn.push(sent.slice(before).reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
      before = sent.length;
    } while (turn());
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(PER_TURN + MAX_FRAME_BYTES);
    expect(perTurn.length).toBeGreaterThan((5 * 20_000) / (PER_TURN + MAX_FRAME_BYTES));
    expect(await Promise.all(done)).toEqual(Array(5).fill('sent'));
    // Nobody is more than two turns ahead of another.
    const halfway = sent.slice(0, sent.length / 2).map(({ connection }) => connection);
    const counts = outboxes.map((_, index) => halfway.filter((connection) => connection === index).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(6);
  });

  it('are not copied: what is handed over are views on the one state', () => {
    const { turn, sent, outboxes } = world(3);
    const state = new Uint8Array(5_000).fill(7);
    for (const outbox of outboxes) void outbox.state({ sent: undefined }, [Uint8Array.of(6), state], at(1));
    while (turn());
    const views = sent.flatMap(({ parts }) => parts).filter(({ buffer }) => buffer === state.buffer);
    expect(views.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(3 * 5_000);
  });

  it('do not hold up small ones of others, and one that has gone gives its turn away', () => {
    const { turn, turns, sent, outboxes } = world(3);
    const [large, gone, other] = outboxes;
    void large!.state({ sent: undefined }, [new Uint8Array(50_000)], at(1));
    void gone!.state({ sent: undefined }, [new Uint8Array(50_000)], at(1));
    other!.send(
      { sent: undefined },
      { parts: [Uint8Array.of(1)], bytes: Uint8Array.of(1), wireForms: new Map() },
      at(2),
    );
    expect(sent.at(-1)).toMatchObject({ connection: 2 });
    gone!.close();
    while (turn());
    expect(sent.some(({ connection }) => connection === 1)).toBe(false);
    expect(sent.filter(({ connection }) => connection === 0).length).toBeGreaterThan(50);
    expect(turns.isOpenFor(() => undefined)).toBe(true);
  });
});

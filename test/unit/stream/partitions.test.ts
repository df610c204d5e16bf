import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { murmur2, partitionOf } from '../../../lib/stream/partitions.ts';

const kafkajsMurmur2 = createRequire(import.meta.url)(
  'kafkajs/src/producer/partitioners/default/murmur2.js',
) as (key: Buffer) => number;

describe('partitionOf', () => {
  it('keeps the golden vectors of the Java client', () => {
    const vectors: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ];
    for (const [text, hash] of vectors) expect([text, murmur2(Buffer.from(text))]).toEqual([text, hash]);
  });

  it('agrees with kafkajs on any bytes, also on views at odd places', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(7), (bytes, shift) => {
        const view = new Uint8Array(bytes.byteLength + 8).subarray(shift, shift + bytes.byteLength);
        view.set(bytes);
        expect(murmur2(view)).toBe(kafkajsMurmur2(Buffer.from(bytes)));
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('never moves a room', () => {
    const rooms = ['board-1', 'Ünïcode', '会議', 'x'.repeat(128)];
    expect(rooms.map((room) => partitionOf('default', room, 16))).toEqual([0, 2, 7, 14]);
  });

  it('spreads rooms over all partitions', () => {
    const seen = new Map<number, number>();
    for (let room = 0; room < 16_000; room++) {
      const partition = partitionOf('default', `room-${room}`, 16);
      seen.set(partition, (seen.get(partition) ?? 0) + 1);
    }
    expect([...seen.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, at) => at));
    expect(Math.min(...seen.values())).toBeGreaterThan(800);
  });
});

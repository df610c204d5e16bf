import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import type { RoomOfTenant } from '../../../lib/stream/topics.ts';
import { partitionOf } from '../../../lib/stream/partitions.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';

const resolver = (pattern: string) => createTopicResolver({ pattern, partitions: 16 });
const SHARDED = 'yjs-{channel}';
const PER_TENANT = 'yjs-{channel}-{tenant}';
const PER_ROOM = 'yjs-{channel}-{room}';
const PER_TENANT_AND_ROOM = 'yjs-{channel}-{tenant}-{room}';
const TEMPLATES = [SHARDED, PER_TENANT, PER_ROOM, PER_TENANT_AND_ROOM];
const OTHERS = [
  'prod.yjs_{channel}',
  '{tenant}-{room}-{channel}',
  'x.{room}-{channel}-y',
  '{channel}-{room}_z',
];

const LEGAL = /^[a-zA-Z0-9._-]{1,249}$/;
const room: RoomOfTenant = { tenantId: 'acme', roomId: '3f2b-77' };

/** Ids that come near each other: escapes, separators, hashes, long ones, and what is between them. */
const piece = fc.constantFrom(
  'a',
  'B',
  '0',
  '-',
  '--',
  '_',
  '_2d',
  '_h',
  '.',
  '/',
  'ü',
  '😀',
  '%',
  ' ',
  'doc',
);
const id = fc.oneof(
  { arbitrary: fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')), weight: 4 },
  { arbitrary: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }), weight: 2 },
  { arbitrary: fc.array(piece, { minLength: 80, maxLength: 128 }).map((parts) => parts.join('')), weight: 1 },
);
const pair = fc.record({ tenantId: id, roomId: id });

describe('topic names', () => {
  it.each(TEMPLATES)('%s gives legal names that are recognised, of every kind', (pattern) => {
    const topics = resolver(pattern);
    fc.assert(
      fc.property(pair, (of) => {
        for (const kind of ['doc', 'awareness'] as const) {
          const { topic } = topics.target(kind, of);
          expect(topic).toMatch(LEGAL);
          expect(topics.spec(kind, of).topic).toBe(topic);
          const kinds = (['doc', 'awareness', 'control'] as const).filter((k) => topics.isOfKind(k, topic));
          expect(kinds).toEqual([kind]);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it.each([...TEMPLATES, ...OTHERS])('%s never gives two rooms one name by chance', (pattern) => {
    const topics = resolver(pattern);
    // Kafka counts `.` and `_` as the same when it looks for topics that collide.
    const nameOf = (of: RoomOfTenant) => topics.target('doc', of).topic.replaceAll('.', '_');
    const partsOf = (of: RoomOfTenant) =>
      JSON.stringify([pattern.includes('{tenant}') && of.tenantId, pattern.includes('{room}') && of.roomId]);
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(pair, pair, (one, two) => {
        for (const either of [one, two]) {
          const name = nameOf(either);
          expect(seen.get(name) ?? partsOf(either)).toBe(partsOf(either));
          seen.set(name, partsOf(either));
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  it('does not mistake a hyphen of an id for the separator', () => {
    const topics = resolver(PER_TENANT_AND_ROOM);
    const names = [
      { tenantId: 'a-b', roomId: 'c' },
      { tenantId: 'a', roomId: 'b-c' },
      { tenantId: 'a_2db', roomId: 'c' },
      { tenantId: 'a', roomId: 'b_2dc' },
    ].map((of) => topics.target('doc', of).topic);
    expect(names).toEqual(['yjs-doc-a_2db-c', 'yjs-doc-a-b-c', 'yjs-doc-a_5f2db-c', 'yjs-doc-a-b_5f2dc']);
  });

  it('keeps an id of letters, digits and hyphens readable in a room topic', () => {
    expect(resolver(PER_ROOM).target('doc', room).topic).toBe('yjs-doc-3f2b-77');
  });

  it('hashes what is too long, and no id looks like a hashed one', () => {
    const topics = resolver(PER_ROOM);
    const long = { tenantId: 't', roomId: 'ü'.repeat(64) };
    const { topic } = topics.target('doc', long);
    expect(topic).toMatch(/^yjs-doc-_h[0-9a-f]{64}$/);
    const forged = { tenantId: 't', roomId: topic.slice('yjs-doc-'.length) };
    expect(topics.target('doc', forged).topic).not.toBe(topic);
    expect(topics.isOfKind('doc', topic)).toBe(true);
  });

  it('refuses ids that have no UTF-8 of their own', () => {
    const topics = resolver(PER_ROOM);
    for (const roomId of ['', 'a\ud800']) {
      expect(() => topics.target('doc', { tenantId: 't', roomId })).toThrow(
        expect.objectContaining({ type: 'BAD_INPUT' }),
      );
    }
  });
});

describe('topics of a template', () => {
  it('shards by default: one topic for each channel, the room’s partition by its hash', () => {
    const topics = resolver(SHARDED);
    expect(topics.sharded).toBe(true);
    expect(topics.staticTopics).toEqual([
      { topic: 'yjs-doc', kind: 'doc', partitions: 16 },
      { topic: 'yjs-awareness', kind: 'awareness', partitions: 16 },
      { topic: 'yjs-control', kind: 'control', partitions: 1 },
    ]);
    expect(topics.target('doc', room)).toEqual({
      topic: 'yjs-doc',
      partition: partitionOf('acme', '3f2b-77', 16),
    });
  });

  it('gives each tenant sharded topics that are made later', () => {
    const topics = resolver(PER_TENANT);
    expect(topics.sharded).toBe(true);
    expect(topics.staticTopics).toEqual([{ topic: 'yjs-control', kind: 'control', partitions: 1 }]);
    expect(topics.spec('doc', room)).toEqual({ topic: 'yjs-doc-acme', kind: 'doc', partitions: 16 });
    expect(topics.target('awareness', room)).toEqual({
      topic: 'yjs-awareness-acme',
      partition: partitionOf('acme', '3f2b-77', 16),
    });
  });

  it.each([PER_ROOM, PER_TENANT_AND_ROOM])('%s gives each room a topic of one partition', (pattern) => {
    const topics = resolver(pattern);
    expect(topics.sharded).toBe(false);
    expect(topics.spec('doc', room).partitions).toBe(1);
    expect(topics.target('doc', room).partition).toBe(0);
    expect(topics.controlTopic).toBe('yjs-control');
    expect(topics.staticTopics).toEqual([{ topic: 'yjs-control', kind: 'control', partitions: 1 }]);
  });

  it('does not take the topics of others for ours', () => {
    for (const pattern of TEMPLATES) {
      const topics = resolver(pattern);
      for (const topic of [
        '__consumer_offsets',
        'MOL-ykafka.INFO',
        'yjs-document',
        'yjs-doc-',
        'xyjs-doc-a',
      ]) {
        expect(topics.isOfKind('doc', topic)).toBe(false);
        expect(topics.isOfKind('awareness', topic)).toBe(false);
        expect(topics.isOfKind('control', topic)).toBe(false);
      }
      expect(topics.isOfKind('control', topics.controlTopic)).toBe(true);
    }
    expect(resolver(SHARDED).isOfKind('doc', 'yjs-doc-acme')).toBe(false);
    expect(resolver(PER_ROOM).isOfKind('doc', 'yjs-doc-a_zz')).toBe(false);
  });

  it.each([
    ['yjs', '{channel} is missing'],
    ['yjs-{channel}-{channel}', 'twice'],
    ['yjs-{channel}-{board}', '{board}'],
    ['yjs-{channel}-{tenant}{room}', 'a hyphen must follow {tenant}'],
    ['yjs-{channel}-{tenant}_{room}', 'a hyphen must follow {tenant}'],
    ['yjs-{channel}-{', 'no topic name'],
    [`${'x'.repeat(110)}-{channel}-{tenant}-{room}`, 'too long'],
  ])('refuses the template %s', (pattern, reason) => {
    expect(() => resolver(pattern)).toThrow(expect.objectContaining({ type: 'BAD_CONFIG' }));
    expect(() => resolver(pattern)).toThrow(reason);
  });
});

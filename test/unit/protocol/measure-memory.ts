import {
  decodeAwarenessUpdate,
  decodeClientFrame,
  decodeServerFrame,
  DEFAULT_LIMITS,
  tryDecodeMetadata,
} from '../../../lib/protocol/index.ts';
import { hex } from '../../support/hex.ts';
import { retainedBytes } from '../../support/memory.ts';

/*
 * A process of its own, started by memory.test.ts: each measurement collects the heap twice, and that of a test worker
 * is a hundred times as large. Prints, as JSON, what holds more than 4 x its input + 64 kB, for each kind of input.
 */

const DECODERS = {
  clientFrame: decodeClientFrame,
  serverFrame: decodeServerFrame,
  metadata: (bytes: Uint8Array) => tryDecodeMetadata(bytes, LARGE_LIMITS),
  awarenessUpdate: decodeAwarenessUpdate,
};

/** As a server may be configured; the default is 4 kB. */
const LARGE_LIMITS = { ...DEFAULT_LIMITS, maxMetadataBytes: 0xffff };
const position = { generation: 1, epoch: 3, partition: 12, offset: 70_000 };

const repeat = (count: number, part: (i: number) => string) =>
  new TextEncoder().encode(Array.from({ length: count }, (_, i) => part(i)).join(','));

function withLength(json: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + json.byteLength + 1);
  bytes[0] = json.byteLength & 0xff;
  bytes[1] = json.byteLength >>> 8;
  bytes.set(json, 2);
  return bytes;
}

const text = (value: string) => new TextEncoder().encode(value);
const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const varUint = (value: number): Uint8Array =>
  value < 128
    ? Uint8Array.of(value)
    : joined(Uint8Array.of((value % 128) | 128), varUint(Math.floor(value / 128)));
const prefixed = (bytes: Uint8Array) => joined(varUint(bytes.byteLength), bytes);

/** JSON that is small as text and large when parsed. */
const BOMBS: Record<string, (bytes: number) => Uint8Array> = {
  'empty arrays': (bytes) =>
    joined(
      text('{"x":['),
      repeat(bytes / 3, () => '[]'),
      text(']}'),
    ),
  'empty objects': (bytes) =>
    joined(
      text('{"x":['),
      repeat(bytes / 3, () => '{}'),
      text(']}'),
    ),
  'many keys': (bytes) =>
    joined(
      text('{'),
      repeat(bytes / 8, (i) => `"${i.toString(36)}":0`),
      text('}'),
    ),
  'objects of many shapes': (bytes) =>
    joined(
      text('{"x":['),
      repeat(bytes / 11, (i) => `{"${i.toString(36)}":{}}`),
      text(']}'),
    ),
  fractions: (bytes) =>
    joined(
      text('{"x":['),
      repeat(bytes / 4, () => '0.5'),
      text(']}'),
    ),
  'short texts': (bytes) =>
    joined(
      text('{"x":['),
      repeat(bytes / 5, (i) => `"${i % 89}"`),
      text(']}'),
    ),
  nesting: (bytes) =>
    joined(text('{"x":'), text('['.repeat(bytes / 2)), text(']'.repeat(bytes / 2)), text('}')),
  'valid ranges': (bytes) => {
    const ranges = repeat(bytes / 9, (i) => `[${2 * i},${2 * i}]`);
    const head = `{"join":1,"roomId":"r","docId":"d","kind":"full","position":${JSON.stringify(position)},"appended":[`;
    return joined(text(head), ranges, text(']}'));
  },
};

type Hostile = [decoder: keyof typeof DECODERS, what: string, input: Uint8Array];

/** All JSON goes through one reader: two sizes by the metadata, the default limit of those by a state head. */
function bombs(): Hostile[] {
  return Object.entries(BOMBS).flatMap(([name, make]) => {
    const json = make(3_900);
    return [
      ...[1_000, 60_000].map((size): Hostile => {
        const bomb = make(size);
        return ['metadata', `${name}, ${bomb.byteLength} bytes`, withLength(bomb)];
      }),
      ['serverFrame', `a state head of ${name}`, joined(Uint8Array.of(6), prefixed(json))] as Hostile,
    ];
  });
}

const many = (count: number, part: Uint8Array) => joined(...Array.from({ length: count }, () => part));

function crowds(): Hostile[] {
  const at = hex('01 01 01 01 00');
  const shortest = prefixed(new Uint8Array(57));
  const stamped = prefixed(new Uint8Array(72));
  return [100, 300, 512, 20_000].flatMap((count): Hostile[] => [
    ['clientFrame', `${count} envelopes of a byte`, joined(hex('01'), many(count, hex('01 00')))],
    ['clientFrame', `${count} shortest envelopes`, joined(hex('01'), many(count, shortest))],
    ['serverFrame', `${count} entries of a byte`, joined(hex('01'), many(count, joined(at, hex('01 00'))))],
    ['serverFrame', `${count} shortest entries`, joined(hex('01'), many(count, joined(at, stamped)))],
    ['serverFrame', `${count} acks`, joined(hex('04 01 72 01 64 00'), many(count, hex('01 01 01 01 01 01')))],
    [
      'awarenessUpdate',
      `${count} states`,
      joined(varUint(count), many(count, joined(hex('ffffffff0f 01 04'), text('{ }\n')))),
    ],
  ]);
}

const KINDS = { bombs, crowds };

const MEASUREMENTS = 4;

/** The least of some measurements, as far as one is above the bound: what the engine compiles meanwhile counts in one of them. */
function leastUsed(action: () => unknown, bound: number): number {
  let least = Infinity;
  for (let left = MEASUREMENTS; left > 0 && least > bound; left--)
    least = Math.min(least, Math.round(retainedBytes(action)));
  return least;
}

function overBound(make: () => Hostile[]): string[] {
  const over: string[] = [];
  for (const [decoder, what, input] of make()) {
    const bound = 4 * input.byteLength + 64 * 1024;
    const used = leastUsed(() => DECODERS[decoder](input), bound);
    if (used > bound) over.push(`${decoder}, ${what}: ${used} of ${bound} bytes`);
  }
  return over;
}

const found = Object.entries(KINDS).map(([kind, make]) => {
  const count = make().length;
  return [kind, { count, over: overBound(make) }];
});
console.log(JSON.stringify(Object.fromEntries(found)));

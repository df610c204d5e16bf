import * as Y from 'yjs';
import {
  decodeClientFrame,
  encodeClientEntries,
  encodeKafkaEnvelope,
  encodePayload,
  encodeSyncPayload,
  FrameKind,
  splitFrame,
  SyncMessageType,
  tryDecodeEnvelope,
  tryDecodeSync,
  type Message,
  type Metadata,
} from '../../lib/protocol/index.ts';
import { ProtocolMessageType } from '../../lib/protocol/message-types.ts';
import { joined, mutateBytes } from './mutate-bytes.ts';
import type { SeededRandom } from './random.ts';

/** What a mutation works with: frames of real sessions, and the next version of the one that sends. */
export interface Source {
  toServer: readonly Uint8Array[];
  toClient: readonly Uint8Array[];
  nextVersion: () => number;
}

type Mutation = (source: Source, random: SeededRandom) => Uint8Array[];

const MAX_MUTATED_BYTES = 5_000;
const VALUES: unknown[] = [
  null,
  true,
  -1,
  0,
  1,
  1.5,
  2 ** 31,
  2 ** 53 - 1,
  2 ** 53,
  1e308,
  '',
  'x',
  'x'.repeat(129),
  'a\u0000b',
  '\ud800',
  '/',
  '__proto__',
  [],
  {},
  [[[[[[[[[]]]]]]]]],
  { toString: 1, length: -1 },
  'ä'.repeat(600),
];
const KEYS = [
  'v',
  'roomId',
  'docId',
  'subdocId',
  'senderId',
  'version',
  'timestamp',
  'generation',
  'userId',
  'tenantId',
  'traceparent',
  'connectionId',
  '__proto__',
  'constructor',
  'toJSON',
  'x',
];

/** One of the recorded frames, small ones mostly. */
function seedOf({ toServer, toClient }: Source, random: SeededRandom): Uint8Array {
  const frame = random.pick(random.chance(0.85) ? toServer : toClient);
  return frame.byteLength > MAX_MUTATED_BYTES ? frame.subarray(0, MAX_MUTATED_BYTES) : frame;
}

/** An envelope of a recorded frame; undefined when the frame is of another kind. */
function messageOf(source: Source, random: SeededRandom): Message | undefined {
  const frame = decodeClientFrame(random.pick(source.toServer));
  if (!frame.ok || frame.value.kind !== FrameKind.Entries) return undefined;
  const message = tryDecodeEnvelope(random.pick(frame.value.envelopes));
  return message.ok ? message.value : undefined;
}

/** With a version that the server has not seen: what has one already is taken for a repeat. */
function fresh({ metadata }: Message, source: Source): Metadata {
  return metadata.version === 0 ? metadata : { ...metadata, version: source.nextVersion() };
}

function mutateJson(metadata: Metadata, random: SeededRandom): Metadata {
  const json: Record<string, unknown> = { ...metadata };
  for (let count = 1 + random.below(2); count > 0; count--) {
    const key = random.chance(0.9) ? random.pick(KEYS) : 'k'.repeat(1 + random.below(300));
    if (random.chance(0.2)) delete json[key];
    else
      Object.defineProperty(json, key, {
        value: random.pick(VALUES),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return json as Metadata;
}

/** Damages what is inside an update and leaves everything around it sound: this is what reaches Yjs. */
function mutateUpdate(message: Message, source: Source, random: SeededRandom): Uint8Array {
  const sync = tryDecodeSync(message.content);
  const isUpdate = message.type === ProtocolMessageType.Sync && sync.ok;
  const payload = isUpdate
    ? encodeSyncPayload(
        random.pick([sync.value.type, SyncMessageType.Update]),
        mutateBytes(sync.value.body, random),
      )
    : encodePayload(message.type, mutateBytes(message.content, random));
  return encodeClientEntries([encodeKafkaEnvelope(fresh(message, source), payload)]);
}

const alone =
  (make: (source: Source, random: SeededRandom) => Uint8Array | undefined): Mutation =>
  (source, random) => [make(source, random) ?? mutateBytes(seedOf(source, random), random)];

const damagedBytes = alone((source, random) => mutateBytes(seedOf(source, random), random));
const damagedUpdate = alone((source, random) => {
  const message = messageOf(source, random);
  return message && mutateUpdate(message, source, random);
});

/** Each gives the frames of one shot; most give one. Those that come several times are wanted more often. */
const MUTATIONS: Mutation[] = [
  ...[damagedBytes, damagedBytes, damagedBytes, damagedBytes, damagedBytes],
  ...[damagedUpdate, damagedUpdate, damagedUpdate],
  alone((source, random) => seedOf(source, random)),
  alone((source, random) => random.bytes(random.below(200))),
  // Splice: the beginning of one, the end of another.
  alone((source, random) => {
    const [a, b] = [seedOf(source, random), seedOf(source, random)];
    const head = a.subarray(0, random.below(a.byteLength + 1));
    return joined([head, b.subarray(random.below(b.byteLength + 1))]);
  }),
  // Metadata that are JSON, but not what they should be.
  alone((source, random) => {
    const message = messageOf(source, random);
    if (!message) return undefined;
    return encodeClientEntries([
      encodeKafkaEnvelope(mutateJson(fresh(message, source), random), message.payload),
    ]);
  }),
  // The length of the metadata lies.
  alone((source, random) => {
    const message = messageOf(source, random);
    if (!message) return undefined;
    const envelope = encodeKafkaEnvelope(fresh(message, source), message.payload);
    envelope[random.below(2)]! += random.pick([1, -1, 2, 16, 128]);
    return encodeClientEntries([envelope]);
  }),
  // A sound update of a new version, and everything that is appended with it.
  alone((source, random) => {
    const message = messageOf(source, random);
    return message && encodeClientEntries([encodeKafkaEnvelope(fresh(message, source), message.payload)]);
  }),
  // A valid update of another document: merged, so that every struct comes again.
  alone((source, random) => {
    const bodies = [messageOf(source, random), messageOf(source, random)].flatMap((message) => {
      const sync = message && tryDecodeSync(message.content);
      return sync?.ok && message?.metadata.version !== 0
        ? [{ message: message!, body: sync.value.body }]
        : [];
    });
    const [first] = bodies;
    if (!first) return undefined;
    const payload = encodeSyncPayload(SyncMessageType.Update, Y.mergeUpdates(bodies.map(({ body }) => body)));
    return encodeClientEntries([encodeKafkaEnvelope(fresh(first.message, source), payload)]);
  }),
  // Several in one frame, one of them damaged.
  (source, random) => {
    const messages = [0, 1, 2].flatMap(() => messageOf(source, random) ?? []);
    const envelopes = messages.map((message) => encodeKafkaEnvelope(fresh(message, source), message.payload));
    if (envelopes.length === 0) return [new Uint8Array(0)];
    const at = random.below(envelopes.length);
    envelopes[at] = mutateBytes(envelopes[at]!, random);
    return [encodeClientEntries(envelopes.filter(({ byteLength }) => byteLength > 0))];
  },
  // Chunks: lost, doubled, swapped, mixed with those of another.
  (source, random) => {
    const frame = random.chance(0.5) ? seedOf(source, random) : mutateBytes(seedOf(source, random), random);
    const parts = [...splitFrame(frame, random.below(1000), 64 + random.below(512))];
    const a = random.below(parts.length);
    const b = random.below(parts.length);
    const how = random.below(5);
    if (how === 0) parts.splice(a, 1);
    else if (how === 1) parts.splice(a, 0, parts[b]!);
    else if (how === 2) [parts[a], parts[b]] = [parts[b]!, parts[a]!];
    else if (how === 3) parts[a] = mutateBytes(parts[a]!, random);
    return parts;
  },
];

/** The frames of one shot. */
export function mutated(source: Source, random: SeededRandom): Uint8Array[] {
  return random.pick(MUTATIONS)(source, random);
}

/** A join or leave request whose keys and values are not what they should be. */
export function mutateRequest(request: object, random: SeededRandom): unknown {
  if (random.chance(0.05)) return random.pick(VALUES);
  const json: Record<string, unknown> = { ...request };
  for (let count = random.below(3); count > 0; count--) {
    const key = random.pick([...KEYS.slice(1, 6), 'position', 'heard', 'stateVector']);
    if (random.chance(0.2)) delete json[key];
    else if (key === 'position' || key === 'heard')
      json[key] = random.chance(0.5)
        ? random.pick(VALUES)
        : {
            generation: random.pick(VALUES),
            epoch: random.below(3),
            partition: random.below(5),
            offset: random.pick([-1, 0, 5, 2 ** 53 - 1, random.pick(VALUES)]),
          };
    else json[key] = random.pick(VALUES);
  }
  return json;
}

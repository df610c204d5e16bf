import { isDeepStrictEqual } from 'node:util';
import * as Y from 'yjs';
import { foldWithYjs } from '../../lib/codec/fold.ts';
import { joined, slicesOf, unpack } from '../../lib/codec/packing.ts';
import {
  checkUpdate,
  describeUpdate,
  diffUpdate,
  mergeUpdates,
  renderUpdate,
} from '../../lib/codec/tasks.ts';
import { isAppError } from '../../lib/errors.ts';
import { readJoinRequest } from '../../lib/gateway/join-request.ts';
import { countHeader, ownerKey, RecordHeader } from '../../lib/gateway/record-headers.ts';
import { stampEnvelope } from '../../lib/gateway/stamp.ts';
import { isDecodable, isSound } from '../../lib/gateway/update-check.ts';
import { classifyRecord } from '../../lib/persister/classify.ts';
import {
  DEFAULT_LIMITS,
  documentKey,
  exactBytes,
  parseBoundedJson,
  ProtocolMessageType,
  SyncMessageType,
  tryDecodeEnvelope,
  tryDecodeSync,
} from '../../lib/protocol/index.ts';
import type { DeliveredRecord } from '../../lib/stream/port.ts';
import { toRecordBatch } from '../../lib/stream/kafka/record-batch.ts';
import { check, embedded, read } from './codec-checks.ts';
import type { CodecTarget } from './codecs.ts';
import * as seeds from './codec-seeds.ts';

/** As the persister's own. */
const CLASSIFIER = { limits: DEFAULT_LIMITS, isDecodable: isSound };
const NOW_MS = 1_790_000_000_000;
const MAX_TIME_MS = 8.64e15;
/** Yjs builds documents of these: larger ones say nothing more. */
const MAX_UPDATE_BYTES = 2 * 1024;

/** The persister takes of updates what the gateway appends, and nothing else: acked and yet in quarantine would be lost. */
function appended(input: Uint8Array): void {
  const message = read(tryDecodeEnvelope, input);
  if (message?.type !== ProtocolMessageType.Sync || message.metadata.version === 0) return;
  const sync = tryDecodeSync(message.content);
  if (!sync.ok || sync.value.type === SyncMessageType.Step1) return;
  const { body } = sync.value;
  const isTaken = isSound(body);
  // The door looks at a view in a buffer of others, everybody behind it at the bytes alone.
  check(isTaken === isSound(exactBytes(body)), 'the door and those behind it judge differently');
  const identity = { tenantId: 't' };
  const stamp = { identity, generation: 1, wallTimeMs: NOW_MS };
  const value = read(() => stampEnvelope(message, stamp, DEFAULT_LIMITS), input);
  if (!value) return;
  const { roomId, docId, subdocId, senderId, version } = message.metadata;
  const incoming = classifyRecord(
    {
      key: documentKey({ ...identity, roomId, docId, ...(subdocId === undefined ? {} : { subdocId }) }),
      value,
      headers: { s: senderId, c: String(version), g: '1', t: '0' },
      offset: 7,
      timestampMs: NOW_MS,
    },
    CLASSIFIER,
  );
  const reason = incoming?.kind === 'quarantine' ? incoming.reason : '';
  const expected = isTaken ? ['update', ''] : ['quarantine', 'BAD_UPDATE'];
  check(
    incoming?.kind === expected[0] && reason === expected[1],
    `of what the gateway ${isTaken ? 'appends' : 'refuses'} the persister makes ${incoming?.kind} ${reason}`,
  );
}

/** A record that somebody else has written into the topic. */
function record(input: Uint8Array): void {
  const [key, value, ...rest] = seeds.fieldsOf(embedded(input)).map((field) => Buffer.from(field));
  const headers = new Map<Buffer, Buffer>();
  for (let at = 0; at + 1 < rest.length; at += 2) headers.set(rest[at]!, rest[at + 1]!);
  const kafkaRecord = {
    offsetDelta: 0,
    timestampDelta: BigInt(input.byteLength),
    key,
    value: value ?? null,
    headers,
  };
  const batch = { firstOffset: 5n, lastOffsetDelta: 0, attributes: 0, firstTimestamp: 0n, maxTimestamp: 0n };
  const fetched = { records: [{ ...batch, records: [{ ...kafkaRecord, key: key ?? null }] }] };
  const { records, nextOffset } = toRecordBatch(
    { topic: 't', partition: 0 },
    5,
    fetched as unknown as Parameters<typeof toRecordBatch>[2],
  );
  check(records.length === 1 && nextOffset === 6, 'the record is lost');
  checkIncoming(records[0]!);
}

function checkIncoming(found: DeliveredRecord): void {
  const { headers } = found;
  ownerKey(headers);
  const count = countHeader(headers, RecordHeader.Version);
  check(count === undefined || Number.isSafeInteger(count), 'a count is no count');
  const incoming = classifyRecord(found, CLASSIFIER);
  if (incoming === undefined || incoming.kind === 'quarantine') return;
  check(documentKey(incoming.document) === found.key, 'it is taken for another document');
  check(Number.isSafeInteger(incoming.generation), 'the generation is no number');
  const atMs = incoming.kind === 'update' ? incoming.atMs : (incoming.origin?.atMs ?? 0);
  check(Number.isSafeInteger(atMs) && Math.abs(atMs) <= MAX_TIME_MS, 'the time is no time');
}

function join(input: Uint8Array): void {
  const parsed = parseBoundedJson(embedded(input));
  if (!parsed.ok) return;
  const request = read(() => readJoinRequest(parsed.value, DEFAULT_LIMITS), input);
  if (!request) return;
  const again = readJoinRequest(request, DEFAULT_LIMITS);
  check(again.ok && isDeepStrictEqual(again.value, request), 'a request that was read is refused');
}

function packing(input: Uint8Array): void {
  const parts = seeds.fieldsOf(embedded(input));
  const slices = [...slicesOf(parts)];
  const buffers = slices.map(joined);
  const lengths = slices.map((slice) => slice.map(({ byteLength }) => byteLength));
  check(
    isDeepStrictEqual(
      unpack({ buffers, lengths }),
      parts.map((part) => new Uint8Array(part)),
    ),
    'parts are mixed up',
  );
}

/** Yjs work on what may be no update: it is judged, never thrown at the caller but as CODEC_FAILED or BAD_INPUT. */
function update(input: Uint8Array): void {
  const [first = input.slice(0, MAX_UPDATE_BYTES), second = first] = seeds
    .fieldsOf(input.subarray(0, MAX_UPDATE_BYTES))
    .map((field) => new Uint8Array(field));
  for (const bytes of [input.slice(0, MAX_UPDATE_BYTES), first]) {
    const verdict = checkUpdate(bytes);
    check(isSound(bytes) || !verdict.ok, 'what the door refuses is found applicable');
    if (isSound(bytes)) checkWrittenAgain(bytes);
    // Six bytes can make Yjs reserve gigabytes: nobody applies what was not decoded before.
    if (!isDecodable(bytes)) continue;
    const folded = foldWithYjs(undefined, [bytes]);
    if (verdict.ok) check(folded.rejected.length === 0, 'what was found applicable is left out of the fold');
    checkLoads(folded.update);
    orFails(() => describeUpdate(bytes));
    orFails(() => renderUpdate(bytes, { as: 'json' }));
  }
  orFails(() => mergeUpdates([first, second]));
  orFails(() => diffUpdate(first, second));
  if (isDecodable(first) && isDecodable(second)) checkLoads(foldWithYjs(undefined, [first, second]).update);
}

/** A state that nobody can load, or write again, would be the end of its document. */
function checkLoads(state: Uint8Array): void {
  const doc = new Y.Doc({ guid: 'fuzz' });
  Y.applyUpdate(doc, state);
  Y.encodeStateAsUpdate(doc);
  doc.destroy();
}

/** What the door takes is decoded and written again, with nothing changed that matters. */
function checkWrittenAgain(bytes: Uint8Array): void {
  check(isDecodable(bytes), 'what is sound cannot be decoded');
  const written = Y.mergeUpdates([bytes, NOTHING]);
  check(isSound(written), 'written again it is not sound');
  check(isDeepStrictEqual(Y.mergeUpdates([written, NOTHING]), written), 'written again it is another');
  check(isDeepStrictEqual(vectorOf(written), vectorOf(bytes)), 'written again it is for another state');
}

const NOTHING = Uint8Array.of(0, 0);

function vectorOf(update: Uint8Array): Uint8Array {
  const doc = new Y.Doc({ guid: 'fuzz' });
  try {
    Y.applyUpdate(doc, update);
  } catch {
    return NOTHING; // it decodes and cannot be applied: the fold finds those
  }
  const vector = Y.encodeStateVector(doc);
  doc.destroy();
  return vector;
}

function orFails(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!isAppError(error, 'CODEC_FAILED') && !isAppError(error, 'BAD_INPUT')) throw error;
  }
}

/** What only the server reads. */
export const serverTargets: readonly CodecTarget[] = [
  { name: 'appended', seeds: seeds.envelopes, run: appended },
  { name: 'record', seeds: seeds.records, run: record },
  { name: 'join', seeds: seeds.jsons, run: join },
  { name: 'packing', seeds: seeds.frameLists, run: packing },
  { name: 'update', seeds: seeds.updates, run: update },
];

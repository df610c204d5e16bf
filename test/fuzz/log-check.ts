import { createHash } from 'node:crypto';
import { createRuntime } from '../../lib/broker/open-runtime.ts';
import { loadConfig } from '../../lib/config.ts';
import { isSound } from '../../lib/gateway/update-check.ts';
import { silentLogger } from '../../lib/log.ts';
import { classifyRecord } from '../../lib/persister/classify.ts';
import {
  decodePayload,
  parseDocumentKey,
  tryDecodeEnvelope,
  type ProtocolLimits,
} from '../../lib/protocol/index.ts';
import type { QuarantinedSummary } from '../../lib/store/operations.ts';
import type { PersistenceAdapter } from '../../lib/store/port.ts';
import type { DeliveredRecord, Stream } from '../../lib/stream/port.ts';

export interface LogReport {
  /** The attackers' records in the log, and those of them that should not be there. */
  records: number;
  unsoundRecords: string[];
  quarantined: Quarantined[];
}

export interface Quarantined {
  reason: string;
  /** The payload. */
  hex: string;
}

export interface LogExpectation {
  /** Digests of the updates that may be there. */
  sound: ReadonlySet<string>;
  limits: ProtocolLimits;
}

const PARTITIONS = 4;
const READ_BYTES = 16 * 1024 ** 2;
const READ_RECORDS = 2_000;
const MAX_SHOWN_BYTES = 2_000;

export const digestOf = (update: Uint8Array) => createHash('sha1').update(update).digest('base64');

/** Everything that stands in the log, looked at by another process than the one that wrote it. */
export async function readLog(dataDir: string, expected: LogExpectation): Promise<LogReport> {
  const config = loadConfig({}, { dataDir, partitions: PARTITIONS, mode: 'embedded', logLevel: 'error' });
  const runtime = createRuntime({ config, logger: silentLogger, nodeId: 'fuzz' });
  try {
    const stream = await runtime.stream();
    const report: LogReport = { records: 0, unsoundRecords: [], quarantined: [] };
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const topic = runtime.topics.target('doc', { tenantId: 'default', roomId: 'x' }).topic;
      for await (const record of readAll(stream, { topic, partition })) {
        if (!parseDocumentKey(record.key)?.roomId.startsWith('room-')) continue;
        report.records++;
        const fault = faultOf(record, expected);
        if (fault) report.unsoundRecords.push(`${partition}/${record.offset}: ${fault}`);
      }
    }
    const store = await runtime.store();
    for await (const found of readQuarantine(store)) {
      const value = (await store.readQuarantined(found))?.value ?? new Uint8Array(0);
      const payload = tryDecodeEnvelope(value).ok ? decodePayload(value) : value;
      const hex = Buffer.from(payload.subarray(0, MAX_SHOWN_BYTES)).toString('hex');
      report.quarantined.push({ reason: found.reason, hex });
    }
    return report;
  } finally {
    await runtime.close();
  }
}

async function* readAll(
  stream: Pick<Stream, 'read' | 'endOffset'>,
  at: { topic: string; partition: number },
): AsyncIterable<DeliveredRecord> {
  const end = await stream.endOffset(at);
  for (let fromOffset = 0; fromOffset < end; fromOffset += READ_RECORDS) {
    const toOffset = Math.min(end, fromOffset + READ_RECORDS);
    yield* (await stream.read({ ...at, fromOffset, toOffset, maxBytes: READ_BYTES })).records;
  }
}

async function* readQuarantine(
  store: Pick<PersistenceAdapter, 'listQuarantined'>,
): AsyncIterable<QuarantinedSummary> {
  let after: QuarantinedSummary | undefined;
  do {
    const page = await store.listQuarantined({ limit: READ_RECORDS, ...(after ? { after } : {}) });
    yield* page;
    after = page.at(-1);
  } while (after);
}

/** Why a record should not be in the log. */
function faultOf(record: DeliveredRecord, { sound, limits }: LogExpectation): string | undefined {
  // As at the door: what can be seen without the document must never have come in.
  const incoming = classifyRecord(record, { limits, isDecodable: isSound });
  if (incoming?.kind === 'quarantine') return incoming.reason;
  const envelope = tryDecodeEnvelope(record.value);
  if (!envelope.ok) return envelope.failure.code;
  if (incoming?.kind !== 'update') return 'no update';
  if (!sound.has(digestOf(incoming.payload))) return 'an update that nobody sent';
  const { tenantId, userId, connectionId } = envelope.value.metadata;
  if (tenantId !== 'default') return 'foreign tenant';
  return userId !== undefined || connectionId !== undefined ? 'keys of the server' : undefined;
}

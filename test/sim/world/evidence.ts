import * as Y from 'yjs';
import { tryDecodeControl, tryDecodeEnvelope, tryDecodeSync } from '../../../lib/protocol/envelope.ts';
import type { DocumentKey } from '../../../lib/protocol/ids.ts';
import type { DeliveredRecord } from '../../../lib/stream/port.ts';
import { effectOf, StateContents, type Effect } from '../../support/oracle/effect.ts';
import type {
  AckedUpdate,
  Evidence,
  FinalState,
  LogRecord,
  QuarantinedRecord,
  StoredRow,
  Violation,
} from '../../support/oracle/index.ts';
import type { SimClient } from './client.ts';
import type { World } from './world.ts';

const EPOCH = 1;

/** What the oracle judges, read from brokers, database and pages when all is quiet. */
export async function evidenceOf(world: World, fresh: SimClient): Promise<Evidence> {
  const whole = logOf(world);
  const log = whole.map((record): LogRecord => {
    const { epoch, partition, offset } = record;
    return record.kind === 'update' && isEnded(world, record)
      ? { epoch, partition, offset, kind: 'other' }
      : record;
  });
  return {
    acks: acksOf(world, whole).filter((ack) => !isEnded(world, ack)),
    states: [
      ...statesOf(world, fresh, true),
      ...world.clients.flatMap((client) => statesOf(world, client, false)),
    ],
    rows: await rowsOf(world),
    log,
    quarantined: quarantinedOf(world),
  };
}

function logOf(world: World): LogRecord[] {
  return world.partitions.flatMap(({ partition, records }) =>
    records.map((record) => ({ epoch: EPOCH, partition, offset: record.offset, ...contentOf(record) })),
  );
}

/** What a deletion has ended is to be gone from the store: nobody looks for it there. */
function isEnded(
  world: World,
  { document: key, generation }: { document: string; generation: number },
): boolean {
  const document = world.documents.find((one) => one.key === key);
  return document !== undefined && generation <= world.lifeOf(document).deletedGeneration;
}

type Content = LogRecord extends infer R
  ? R extends LogRecord
    ? Omit<R, 'epoch' | 'partition' | 'offset'>
    : never
  : never;

function contentOf({ key, value, headers }: DeliveredRecord): Content {
  const envelope = tryDecodeEnvelope(value);
  if (!envelope.ok) return { kind: 'other' };
  if (headers.t === '4') {
    const control = tryDecodeControl(envelope.value.content);
    if (!control.ok || control.value.op !== 'barrier') return { kind: 'other' };
    return { kind: 'barrier', document: key, generation: control.value.generation };
  }
  const sync = tryDecodeSync(envelope.value.content);
  if (!sync.ok) return { kind: 'other' };
  const { senderId, version, generation = 1 } = envelope.value.metadata;
  return { kind: 'update', document: key, senderId, version, generation, payload: sync.value.body };
}

/** An ack says the version; what it stands for, and in which generation, is in the log or nowhere. */
function acksOf(world: World, log: readonly LogRecord[]): AckedUpdate[] {
  const found = new Map<string, Extract<LogRecord, { kind: 'update' }>>();
  for (const record of log) {
    if (record.kind !== 'update') continue;
    const key = `${record.document} ${record.senderId} ${record.version}`;
    if (!found.has(key)) found.set(key, record);
  }
  return world.acks.map(({ document, senderId, version, position }) => {
    const record = found.get(`${document} ${senderId} ${version}`);
    const generation = record?.generation ?? position.generation;
    return { document, senderId, version, position, generation, update: record?.payload ?? NOTHING };
  });
}

const NOTHING: Effect = { inserts: [], deletes: [] };

function statesOf(world: World, client: SimClient, isFresh: boolean): FinalState[] {
  const existing = world.documents.filter((document) => !world.lifeOf(document).deleted);
  return existing.map((document) => ({
    document: document.key,
    source: client.name,
    generation: client.state(document).position?.generation ?? 0,
    state: Y.encodeStateAsUpdate(client.doc(document)),
    isFresh,
  }));
}

async function rowsOf(world: World): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for (const document of world.documents) {
    const last = world.lifeOf(document).generation;
    const { partition } = world.partitionOf(document);
    for (let generation = 1; generation <= last; generation++) {
      const since = { generation, epoch: EPOCH, partition, offset: -1 };
      for await (const row of world.store.exportHistory(world.idOf(document), since)) {
        const { epoch, offset, senderId, clientVersion: version, repeatOf } = row;
        const payload = repeatOf === undefined ? row.payload : undefined;
        rows.push({
          document: document.key,
          generation,
          epoch,
          partition,
          offset,
          senderId,
          version,
          payload,
          repeatOf,
        });
      }
    }
  }
  return rows;
}

function quarantinedOf(world: World): QuarantinedRecord[] {
  return world.store.quarantined.map(({ epoch, partition, offset, key, headers }) => ({
    epoch,
    partition,
    offset,
    document: key,
    generation: Number(headers.g),
    senderId: headers.s,
    version: Number(headers.c),
  }));
}

/** What a page says about its position must be true at any moment: all that lies before is in its document. */
export function checkClaims(world: World): Violation[] {
  const violations: Violation[] = [];
  const effects = new Map<DeliveredRecord, { generation: number; effect: Effect }>();
  const read = (record: DeliveredRecord) => {
    let known = effects.get(record);
    if (!known) {
      const content = contentOf(record);
      known =
        content.kind === 'update'
          ? { generation: content.generation, effect: effectOf(content.payload) }
          : { generation: 0, effect: NOTHING };
      effects.set(record, known);
    }
    return known;
  };
  for (const client of world.clients) {
    if (client.process.isDead) continue;
    for (const document of world.documents) {
      const { position, halted } = client.state(document);
      if (!position || halted) continue;
      const contents = new StateContents(Y.encodeStateAsUpdate(client.doc(document)));
      for (const record of recordsOf(world, document)) {
        if (record.offset > position.offset) break;
        const { generation, effect } = read(record);
        const lacking = generation === position.generation ? contents.lacks(effect) : undefined;
        if (!lacking) continue;
        const detail = `${client.name} stands at ${position.offset} and lacks ${lacking} of ${record.offset}`;
        violations.push({ kind: 'position-over-a-gap', document: document.key, detail });
        break;
      }
    }
  }
  return violations;
}

/** Records of a document behind its last barrier. */
function recordsOf(
  world: World,
  document: { key: DocumentKey; roomId: string; docId: string },
): DeliveredRecord[] {
  return world.partitionOf(document).records.filter(({ key }) => key === document.key);
}

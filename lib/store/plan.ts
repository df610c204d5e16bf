import { encodeKafkaEnvelope, encodeSyncPayload } from '../protocol/envelope.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../protocol/ids.ts';
import { ProtocolMessageType, SyncMessageType } from '../protocol/message-types.ts';
import type { Metadata } from '../protocol/metadata.ts';
import type {
  IncomingBarrier,
  IncomingBatch,
  IncomingQuarantine,
  IncomingUpdate,
  StoreResult,
} from './port.ts';

/** What the store knows of a document while a batch is planned. */
export interface DocumentState {
  generation: number;
  generationStart: LogPoint;
  deleted: boolean;
  /** Content of this generation or an earlier one is gone for good, wherever it comes from; 0 = never deleted. */
  deletedGeneration: number;
}

export interface LogPoint {
  epoch: number;
  offset: number;
}

export interface PlannedRow {
  update: IncomingUpdate;
  key: DocumentKey;
  /** The row that has the payload; undefined when this one has it. */
  repeatOf?: LogPoint;
}

/** How a document is after the batch. */
export interface DocumentChange {
  key: DocumentKey;
  document: DocumentId;
  state: DocumentState;
  /** A barrier was among the records: what lay behind the snapshot before counts no longer. */
  restarted: boolean;
  /** Payload rows behind the snapshot that the batch adds, of the last generation. */
  updates: number;
  bytes: number;
}

/** A barrier that counts. */
export interface PlannedGeneration {
  key: DocumentKey;
  barrier: IncomingBarrier;
}

export interface BatchPlan {
  rows: PlannedRow[];
  generations: PlannedGeneration[];
  quarantined: IncomingQuarantine[];
  changes: Map<DocumentKey, DocumentChange>;
  touched: StoreResult['touched'];
}

export interface KnownState {
  documents: ReadonlyMap<DocumentKey, DocumentState>;
  /** Where the payload of a retry key is already, by `retryKey`. */
  firsts: ReadonlyMap<string, LogPoint>;
}

export const NEW_DOCUMENT: DocumentState = Object.freeze({
  generation: 1,
  generationStart: Object.freeze({ epoch: 0, offset: -1 }),
  deleted: false,
  deletedGeneration: 0,
});

/** Version 0 means that the writer does not count: such updates are never repeats of one another. */
export function hasRetryKey(update: { clientVersion: number }): boolean {
  return update.clientVersion > 0;
}

export function retryKey(update: IncomingUpdate, key: DocumentKey): string {
  return JSON.stringify([key, update.generation, update.senderId, update.clientVersion, update.userId ?? '']);
}

/**
 * Decides what becomes of each record, in log order: a row with payload, a row that names an earlier one,
 * a barrier, or quarantine. The same for every adapter, so that none has its own reading of rules 8 and 14.
 */
export function planBatch(batch: IncomingBatch, known: KnownState): BatchPlan {
  const plan: BatchPlan = {
    rows: [],
    generations: [],
    quarantined: [],
    changes: new Map(),
    touched: new Map(),
  };
  const firsts = new Firsts(known.firsts);
  for (const record of batch.records) {
    if (record.kind === 'quarantine') {
      plan.quarantined.push(withoutDeletedContent(record, plan, known));
      continue;
    }
    const change = changeOf(plan, known, record.document);
    if (record.kind === 'barrier') {
      // Counts only if it raises the generation: it may come twice, or late.
      if (record.generation <= change.state.generation) continue;
      const deleted = record.reason === 'deleted';
      change.state = {
        generation: record.generation,
        generationStart: { epoch: batch.epoch, offset: record.offset },
        deleted,
        deletedGeneration: deleted ? record.generation : change.state.deletedGeneration,
      };
      Object.assign(change, { restarted: true, updates: 0, bytes: 0 });
      plan.generations.push({ key: change.key, barrier: record });
      continue;
    }
    const reason = refusal(record, change.state);
    if (reason === undefined) addRow(plan, record, { change, firsts, epoch: batch.epoch });
    else plan.quarantined.push(quarantineUpdate(record, { reason, state: change.state }));
  }
  return plan;
}

/** What is known, and on top of it what this batch adds. */
class Firsts {
  readonly #known: ReadonlyMap<string, LogPoint>;
  readonly #added = new Map<string, LogPoint>();

  constructor(known: ReadonlyMap<string, LogPoint>) {
    this.#known = known;
  }

  get(key: string): LogPoint | undefined {
    return this.#added.get(key) ?? this.#known.get(key);
  }

  set(key: string, point: LogPoint): void {
    this.#added.set(key, point);
  }
}

function changeOf(plan: BatchPlan, known: KnownState, document: DocumentId): DocumentChange {
  const key = documentKey(document);
  let change = plan.changes.get(key);
  if (!change) {
    const state = known.documents.get(key) ?? NEW_DOCUMENT;
    change = { key, document, state, restarted: false, updates: 0, bytes: 0 };
    plan.changes.set(key, change);
  }
  return change;
}

function refusal(update: IncomingUpdate, state: DocumentState): string | undefined {
  if (update.generation <= state.deletedGeneration) return 'document-deleted';
  if (update.generation < state.generation) return 'stale-generation';
  if (update.generation > state.generation) return 'unknown-generation';
  return undefined;
}

function addRow(
  plan: BatchPlan,
  update: IncomingUpdate,
  context: { change: DocumentChange; firsts: Firsts; epoch: number },
): void {
  const { change, firsts, epoch } = context;
  const retry = hasRetryKey(update) ? retryKey(update, change.key) : undefined;
  const first = retry === undefined ? undefined : firsts.get(retry);
  if (first) {
    plan.rows.push({ update, key: change.key, repeatOf: first });
    return;
  }
  if (retry !== undefined) firsts.set(retry, { epoch, offset: update.offset });
  plan.rows.push({ update, key: change.key });
  change.updates++;
  change.bytes += update.payload.byteLength;
  const touched = plan.touched.get(change.key) ?? { document: change.document, updates: 0, bytes: 0 };
  touched.updates++;
  touched.bytes += update.payload.byteLength;
  plan.touched.set(change.key, touched);
}

/** An update as a quarantined record: its envelope written again, so that the bytes can be read as from the log. */
export function quarantineUpdate(
  update: IncomingUpdate,
  { reason, state }: { reason: string; state: Pick<DocumentState, 'deletedGeneration'> },
): IncomingQuarantine {
  const { offset, document, senderId, clientVersion, generation, connectionId, clientAddress } = update;
  return {
    kind: 'quarantine',
    offset,
    document,
    reason,
    key: documentKey(document),
    // Of what was deleted nothing is kept but that it came.
    value:
      update.generation <= state.deletedGeneration
        ? new Uint8Array()
        : encodeKafkaEnvelope(
            update.metadata as Metadata,
            encodeSyncPayload(SyncMessageType.Update, update.payload),
          ),
    headers: {
      s: senderId,
      c: String(clientVersion),
      g: String(generation),
      t: String(ProtocolMessageType.Sync),
      ...(connectionId === undefined ? {} : { i: connectionId }),
      ...(clientAddress === undefined ? {} : { a: clientAddress }),
    },
  };
}

/** A record that cannot be read may hold content of a document that has been deleted: then it stays without it. */
function withoutDeletedContent(
  record: IncomingQuarantine,
  plan: BatchPlan,
  known: KnownState,
): IncomingQuarantine {
  if (!record.document) return record;
  const key = documentKey(record.document);
  const state = plan.changes.get(key)?.state ?? known.documents.get(key);
  if (!state || state.deletedGeneration === 0) return record;
  const generation = Number(record.headers.g);
  const isOfDeleted = state.deleted || (generation > 0 && generation <= state.deletedGeneration);
  return isOfDeleted ? { ...record, value: new Uint8Array() } : record;
}

import * as Y from 'yjs';
import {
  addressKey,
  encodeControlPayload,
  encodeKafkaEnvelope,
  encodeSyncPayload,
  SyncMessageType,
  type DocumentAddress,
  type JoinAccepted,
  type JoinAnswer,
  type JoinRequest,
  type NackCode,
  type Position,
} from '../../../lib/protocol/index.ts';
import type { TransportHandlers } from '../../../lib/provider/transport.ts';
import { ModelSession } from './model-session.ts';
import type { SimulatedEnvironment } from './simulated-environment.ts';

export interface LogRecord {
  position: Position;
  /** Offset of the document's record before it. */
  previous: number;
  envelope: Uint8Array;
  senderId: string;
  version: number;
  /** Undefined for a barrier. */
  update: Uint8Array | undefined;
}

/** Decides about one update before it is appended. */
export type AppendRule = (record: { senderId: string; version: number }) => NackCode | 'lose' | undefined;

/** A log for each document and what a gateway and fastsync make of it, by docs of the wire, without any service. */
export class ModelServer {
  readonly environment: SimulatedEnvironment;
  readonly logs = new Map<string, LogRecord[]>();
  readonly sessions = new Set<ModelSession>();
  /** Updates that came but were not appended, byte for byte. */
  readonly refusedRecords: { envelope: Uint8Array }[] = [];
  /** Every join that was asked, in order. */
  readonly joins: JoinRequest[] = [];
  appendRule: AppendRule = () => undefined;
  isReadOnly = false;
  /** What the answers of joins say. */
  limits: JoinAccepted['limits'];
  /** Whole states come from a cache that lacks so many of the last records; those follow behind the state. */
  staleBy = 0;
  /** New connections deliver nothing live until told to. */
  isPausedAtFirst = false;
  /** The state of the next join does not fit into the connection's queue: a state of the gateway's own comes for it. */
  dropsNextState = false;
  refuseJoin: ((request: JoinRequest) => JoinAnswer | undefined) | undefined;
  /** Offsets have holes: each record is this much higher than the one before. */
  offsetStep = 1;
  #nextOffset = 0;

  constructor(environment: SimulatedEnvironment) {
    this.environment = environment;
  }

  connect = (_url: string, _auth: unknown, handlers: TransportHandlers): ModelSession => {
    const session = new ModelSession(this, handlers);
    this.sessions.add(session);
    return session;
  };

  log(address: DocumentAddress): LogRecord[] {
    const key = addressKey(address);
    let log = this.logs.get(key);
    if (!log) this.logs.set(key, (log = []));
    return log;
  }

  generation(address: DocumentAddress): number {
    return this.log(address).at(-1)?.position.generation ?? 1;
  }

  /** The updates of the current generation, merged. */
  state(address: DocumentAddress, after = -1, through = Infinity): Uint8Array {
    const generation = this.generation(address);
    const updates = this.log(address)
      .filter(
        ({ position, update }) =>
          position.generation === generation &&
          position.offset > after &&
          position.offset <= through &&
          update,
      )
      .map(({ update }) => update!);
    return updates.length === 0 ? new Uint8Array([0, 0]) : Y.mergeUpdates(updates);
  }

  /** A server that comes back from an old copy: the end of the log is gone, its offsets are given out again. */
  loseTail(address: DocumentAddress, kept: number): void {
    const log = this.log(address);
    log.length = kept;
    this.#nextOffset = (log.at(-1)?.position.offset ?? -this.offsetStep) + this.offsetStep;
  }

  /** What somebody else wrote. */
  write(address: DocumentAddress, update: Uint8Array, senderId = 'somebody-else'): LogRecord {
    const version = this.log(address).length + 1;
    const metadata = { ...address, v: 1, senderId, version, timestamp: 1 };
    return this.append(address, {
      envelope: encodeKafkaEnvelope(metadata, encodeSyncPayload(SyncMessageType.Update, update)),
      senderId,
      version,
      update,
    });
  }

  barrier(address: DocumentAddress, reason: 'restored' | 'deleted' | 'recreated' = 'restored'): LogRecord {
    const generation = this.generation(address) + 1;
    const metadata = { ...address, v: 1, senderId: 'server', version: 0, timestamp: 1 };
    const payload = encodeControlPayload({ op: 'barrier', generation, reason });
    const envelope = encodeKafkaEnvelope(metadata, payload);
    return this.append(address, { envelope, senderId: 'server', version: 0, update: undefined }, generation);
  }

  append(
    address: DocumentAddress,
    fields: Omit<LogRecord, 'position' | 'previous'>,
    generation = this.generation(address),
  ): LogRecord {
    const log = this.log(address);
    const offset = this.#nextOffset;
    this.#nextOffset += this.offsetStep;
    const position = { generation, epoch: 1, partition: 3, offset };
    const record = { ...fields, position, previous: log.at(-1)?.position.offset ?? -1 };
    log.push(record);
    for (const session of this.sessions) session.deliver(address);
    return record;
  }
}

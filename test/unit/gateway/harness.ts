import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Y from 'yjs';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { createAccessControl } from '../../../lib/gateway/access-control.ts';
import { Gateway } from '../../../lib/gateway/gateway.ts';
import type { AccessControl } from '../../../lib/gateway/port.ts';
import type { RoomRoles } from '../../../lib/gateway/room-roles.ts';
import { openSocketServer } from '../../../lib/gateway/socket-io.ts';
import { createUpdateChecker } from '../../../lib/gateway/threaded-update-check.ts';
import type { UpdateChecker } from '../../../lib/gateway/update-check.ts';
import { listen } from '../../../lib/http/listen.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import {
  documentKey,
  encodeControlPayload,
  encodeKafkaEnvelope,
  createMetadata,
  tryDecodeControl,
  tryDecodeEnvelope,
  tryDecodeSync,
  type DocumentId,
  type VersionRanges,
  addVersion,
} from '../../../lib/protocol/index.ts';
import { createEmbeddedStream } from '../../../lib/stream/embedded.ts';
import { openInline } from '../../support/inline-log.ts';
import type { Stream } from '../../../lib/stream/port.ts';
import { createTopicResolver } from '../../../lib/stream/topic-resolver.ts';
import type { TopicResolver } from '../../../lib/stream/topics.ts';
import type { SyncAnswer, SyncRequest, SyncSource } from '../../../lib/sync/port.ts';

export interface TestGateway {
  url: string;
  gateway: Gateway;
  stop(): Promise<void>;
}

export interface TestLog {
  stream: Stream;
  topics: TopicResolver;
  sync: SyncSource;
}

const cleanups: (() => Promise<void>)[] = [];

/** Call it in `afterEach`: stops everything that the test started, newest first. */
export async function cleanUp(): Promise<void> {
  for (const clean of cleanups.splice(0).reverse()) await clean();
}

export function onCleanUp(clean: () => Promise<void>): void {
  cleanups.push(clean);
}

/** A real embedded log in a folder of its own, and a sync source that reads nothing else. */
export async function openLog(pattern = 'yjs-{channel}', partitions = 2): Promise<TestLog> {
  const folder = await mkdtemp(join(tmpdir(), 'ykafka-gateway-'));
  const stream = await createEmbeddedStream({
    openFile: openInline,
    file: join(folder, 'log.sqlite'),
    clock: systemClock,
    logger: silentLogger,
    maxRecordBytes: 9 * 1024 * 1024,
    bufferBytes: 64 * 1024 * 1024,
  });
  onCleanUp(async () => {
    await stream.close();
    await rm(folder, { recursive: true, force: true });
  });
  const topics = createTopicResolver({ pattern, partitions });
  return { stream, topics, sync: new LogSyncSource(stream, topics) };
}

export interface GatewayOptions {
  config?: Partial<Config>;
  /** Faults are injected here. */
  stream?: Stream;
  sync?: SyncSource;
  access?: AccessControl;
  roles?: RoomRoles;
  revokedTokens?: () => Promise<string[]>;
  checker?: UpdateChecker;
  logger?: Logger;
  clock?: Clock;
}

/** A gateway on a free port of loopback. It takes no other one for dead that a busy machine has only held up. */
export async function startGateway(log: TestLog, options: GatewayOptions = {}): Promise<TestGateway> {
  const { clock = systemClock } = options;
  const config = loadConfig({}, { port: 0, beatIntervalMs: 200, beatTimeoutMs: 10_000, ...options.config });
  const gateway = new Gateway({
    config,
    clock,
    logger: options.logger ?? silentLogger,
    stream: options.stream ?? log.stream,
    topics: log.topics,
    sync: options.sync ?? log.sync,
    access: options.access ?? createAccessControl(config),
    ...(options.roles ? { roles: options.roles } : {}),
    ...(options.revokedTokens ? { revokedTokens: options.revokedTokens } : {}),
    checker:
      options.checker ??
      createUpdateChecker({ clock: systemClock, logger: silentLogger, inlineBytes: config.inlineCheckBytes }),
    randomId: () => randomBytes(16).toString('hex'),
  });
  await gateway.start();
  const httpServer = createServer();
  const sockets = openSocketServer({
    config,
    clock,
    logger: silentLogger,
    httpServer,
    gateway: () => gateway,
  });
  const port = await listen(httpServer, '127.0.0.1', 0);
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= gateway.stop().then(() => sockets.close()));
  onCleanUp(stop);
  return { url: `http://127.0.0.1:${port}`, gateway, stop };
}

/** Answers joins from the log alone: every record from the first one, merged by Yjs. */
export class LogSyncSource implements SyncSource {
  readonly #stream: Stream;
  readonly #topics: TopicResolver;
  requests: SyncRequest[] = [];

  constructor(stream: Stream, topics: TopicResolver) {
    this.#stream = stream;
    this.#topics = topics;
  }

  async join(request: SyncRequest): Promise<SyncAnswer> {
    this.requests.push(request);
    const target = this.#topics.target('doc', request.document);
    const identity = await this.#stream.identity(target.topic);
    const epoch = identity ? 1 : 0;
    const toOffset = await this.#stream.endOffset(target);
    const batch =
      toOffset > 0
        ? await this.#stream.read({ ...target, fromOffset: 0, toOffset, maxBytes: 64 * 1024 * 1024 })
        : { records: [] };
    let generation = 1;
    let deleted = false;
    let found: { offset: number; senderId: string; version: number; update: Uint8Array }[] = [];
    for (const record of batch.records) {
      if (record.key !== documentKey(request.document)) continue;
      const envelope = tryDecodeEnvelope(record.value);
      if (!envelope.ok) continue;
      const control = record.headers.t === '4' ? tryDecodeControl(envelope.value.content) : undefined;
      if (control?.ok && control.value.op === 'barrier' && control.value.generation > generation) {
        generation = control.value.generation;
        deleted = control.value.reason === 'deleted';
        found = [];
      }
      const sync = tryDecodeSync(envelope.value.content);
      if (record.headers.t !== '0' || !sync.ok || Number(record.headers.g) !== generation) continue;
      const { s: senderId = '', c: version = '0' } = record.headers;
      found.push({ offset: record.offset, senderId, version: Number(version), update: sync.value.body });
    }
    const { position } = request;
    if (deleted) found = [];
    const isDelta = !deleted && position?.epoch === epoch && position.generation === generation;
    const wanted = isDelta ? found.filter(({ offset }) => offset > position.offset) : found;
    const merged = wanted.length > 0 ? Y.mergeUpdates(wanted.map(({ update }) => update)) : EMPTY;
    const appended: VersionRanges = [];
    for (const { senderId, version } of wanted)
      if (senderId === request.senderId) addVersion(appended, version);
    return {
      position: { generation, epoch, partition: target.partition, offset: toOffset - 1 },
      ...(deleted ? { deleted } : {}),
      kind: isDelta ? 'delta' : 'full',
      stateVector: isDelta ? new Uint8Array() : Y.encodeStateVectorFromUpdate(merged),
      appended,
      update: request.stateVector && !isDelta ? Y.diffUpdate(merged, request.stateVector) : merged,
    };
  }
}

const EMPTY = Y.encodeStateAsUpdate(new Y.Doc({ guid: 'empty' }));

/** Writes a barrier into the document's partition, as the one who replaces a document does. */
export async function appendBarrier(
  log: Pick<TestLog, 'stream' | 'topics'>,
  document: DocumentId,
  generation: number,
  reason: 'restored' | 'deleted' | 'recreated' = 'restored',
): Promise<number> {
  const { tenantId, roomId, docId } = document;
  const metadata = createMetadata({ tenantId, roomId, docId, senderId: 'server', version: 0, generation });
  const value = encodeKafkaEnvelope(metadata, encodeControlPayload({ op: 'barrier', generation, reason }));
  const headers = { s: 'server', c: '0', g: String(generation), t: '4' };
  const [offset] = await log.stream.append(log.topics.target('doc', document), [
    { key: documentKey(document), value, headers },
  ]);
  return offset!;
}

import type { Logger } from '../../../lib/log.ts';
import { documentKey, type DocumentId, type DocumentKey } from '../../../lib/protocol/ids.ts';
import { MemoryStore } from '../../../lib/store/memory.ts';
import { Counters } from '../engine/counters.ts';
import { SimProcess } from '../engine/process.ts';
import { Random } from '../engine/random.ts';
import { Scheduler } from '../engine/scheduler.ts';
import { Weather } from '../engine/weather.ts';
import { SimGroup } from '../parts/group.ts';
import { SimLog, type LogPartition } from '../parts/log.ts';
import { SimConnection } from '../parts/network.ts';
import type { Violation, ViolationKind } from '../../support/oracle/index.ts';
import { SimClient, type SeenAck, type SimDocument } from './client.ts';
import { Coverage } from './coverage.ts';
import { checkClaims } from './evidence.ts';
import type { LifecycleViolationKind } from './lifecycle-check.ts';
import type { PageViolationKind } from './page-watch.ts';
import { lifeOf, type Life } from './life.ts';
import { Operator } from './operator.ts';
import {
  startGateway,
  startPersister,
  startSync,
  type GatewayNode,
  type Node,
  type Surroundings,
  type SyncNode,
} from './nodes.ts';
import { PROCESSES, type Schedule } from './schedule.ts';
import { configOf, countingLogger, DOC_TOPIC, idOf, PARTITIONS, TENANT, topics } from './setting.ts';

/** What the oracle finds, and what does not come to rest. */
export type SimViolation = Omit<Violation, 'kind'> & {
  kind: ViolationKind | LifecycleViolationKind | PageViolationKind | 'not-settled';
};

/** All that a schedule happens to: brokers, database, processes, pages, and what is seen of them. */
export class World {
  readonly schedule: Schedule;
  readonly scheduler = new Scheduler();
  readonly weather = new Weather(this.scheduler);
  readonly counters = new Counters();
  readonly random: Random;
  readonly log: SimLog;
  readonly group: SimGroup;
  readonly store: MemoryStore;
  readonly documents: SimDocument[];
  readonly clients: SimClient[] = [];
  readonly acks: SeenAck[] = [];
  readonly connections = new Set<SimConnection>();
  readonly generations = new Map<DocumentKey, number>();
  /** Next offset of the persister by partition, as the database has it. */
  readonly stored: number[] = Array.from({ length: PARTITIONS }, () => 0);
  readonly violations: SimViolation[] = [];
  readonly logger: Logger;
  readonly operator: Operator;
  readonly #lives = new Map<DocumentKey, { records: number; life: Life }>();
  readonly #around: Surroundings;
  readonly #nodes = new Map<string, Node>();
  readonly #coverage: Coverage;
  readonly #incarnations = new Map<string, number>();
  #yjsClients = 0;

  constructor(schedule: Schedule, onLog?: (message: string) => void) {
    const { scheduler, weather, counters } = this;
    const { setup, seed } = schedule;
    this.schedule = schedule;
    this.random = new Random(seed);
    this.logger = countingLogger(counters, onLog);
    this.log = new SimLog({ scheduler, random: this.random.fork('log'), holeChance: setup.holeChance });
    for (const { topic, partitions } of topics.staticTopics) this.log.makeTopic(topic, partitions);
    this.group = new SimGroup({ partitions: () => this.partitions, weather, counters });
    this.store = new MemoryStore({ clock: { wallTime: () => scheduler.now } });
    this.documents = setup.documents.map((document) => ({ ...document, key: documentKey(idOf(document)) }));
    this.#coverage = new Coverage(counters, onLog);
    this.#around = {
      config: configOf(schedule),
      topics,
      log: this.log,
      group: this.group,
      store: this.store,
      stored: this.stored,
      weather,
      counters,
      logger: this.logger,
      slowCheckChance: setup.slowCheckChance,
      sources: () => ['sync0', 'sync1'].map((name) => this.#nodes.get(name) as SyncNode),
      onCall: (request) => this.#coverage.onCall(request),
      hasLifecycle: schedule.kind === 'lifecycle',
      maxRecordBytes: setup.maxRecordBytes,
    };
    this.operator = new Operator(this, this.#process('operator'));
    for (const name of PROCESSES) this.#start(name);
    for (let index = 0; index < setup.clients; index++) this.clients.push(this.openClient(`client${index}`));
  }

  get partitions(): readonly LogPartition[] {
    return this.log.partitions(DOC_TOPIC);
  }

  partitionOf(document: SimDocument): LogPartition {
    return this.log.at(topics.target('doc', idOf(document)))!;
  }

  idOf(document: SimDocument): DocumentId {
    return idOf(document);
  }

  /** What has become of a document by the order of the log. */
  lifeOf(document: SimDocument): Life {
    const { records } = this.partitionOf(document);
    let known = this.#lives.get(document.key);
    if (known?.records !== records.length) {
      const life = lifeOf(records.filter(({ key }) => key === document.key));
      this.#lives.set(document.key, (known = { records: records.length, life }));
    }
    return known.life;
  }

  /** For Yjs, never the same. */
  nextClientId(): number {
    return ++this.#yjsClients;
  }

  /** A service process or a page. */
  node(name: string): Node {
    return this.#nodes.get(name) ?? this.clients.find((client) => client.name === name)!;
  }

  get gateways(): GatewayNode[] {
    return ['gateway0', 'gateway1'].map((name) => this.#nodes.get(name) as GatewayNode);
  }

  /** A process that is there again after its end has lost its memory. */
  crash(name: string, forMs: number): void {
    const node = this.node(name);
    if (node.process.isDead) return;
    node.process.isDead = true;
    this.group.missed(node.process);
    for (const connection of this.connections) {
      if (connection.server !== node) continue;
      const byClientMs = this.random.pick([1, 30, 2_000]);
      connection.cut({ byClientMs, byServerMs: 0, arrives: false });
    }
    this.scheduler.after(forMs, `restart ${name}`, () => this.#start(name));
  }

  freeze(name: string, forMs: number): void {
    const { process } = this.node(name);
    if (process.isDead) return;
    process.freeze(forMs);
    this.group.missed(process);
  }

  /** Nothing is wrong any more that somebody would still have to notice. */
  get isWell(): boolean {
    return this.#ills().length === 0;
  }

  #ills(): string[] {
    const processes = [...this.#nodes.values(), ...this.clients].map(({ process }) => process);
    const down = processes.filter(({ isDead, isFrozen }) => isDead || isFrozen).map(({ name }) => name);
    const halfDead = [...this.connections].filter((connection) => connection.isHalfDead);
    return [...down, ...halfDead.map(({ client, server }) => `${client.name}-${server?.process.name}`)];
  }

  openClient(name: string): SimClient {
    const process = this.#process(name);
    const { setup } = this.schedule;
    const client: SimClient = new SimClient({
      process,
      documents: this.documents,
      urls: process.random.chance(0.5) ? ['gateway0', 'gateway1'] : ['gateway1', 'gateway0'],
      transport: (url, _auth, handlers) => {
        const connection = new SimConnection({
          client: process,
          server: this.#nodes.get(url) as GatewayNode | undefined,
          tenantId: TENANT,
          handlers: {
            onOpen: () => handlers.onOpen(),
            onFrame: (frame) => {
              handlers.onFrame(frame);
              client.look();
            },
            onNack: (nack) => handlers.onNack(nack),
            onCloseNotice: (notice) => handlers.onCloseNotice(notice),
            onClosed: (reason) => handlers.onClosed(reason),
          },
          weather: this.weather,
          counters: this.counters,
          tap: this.#coverage,
        });
        this.connections.add(connection);
        return connection.clientEnd;
      },
      tuning: {
        maxUnacked: setup.clientMaxUnacked,
        maxFrameBytes: setup.maxFrameBytes,
        joinTimeoutMs: setup.joinTimeoutMs,
        ackTimeoutMs: setup.ackTimeoutMs,
      },
      counters: this.counters,
      nextClientId: () => this.nextClientId(),
      isBarrier: (key, { offset: at }) => {
        const { barriers } = this.lifeOf(this.documents.find((document) => document.key === key)!);
        return barriers.some(({ offset }) => offset === at);
      },
      hasBetween: (key, { offset: after }, { offset: through }) => {
        const { updates } = this.lifeOf(this.documents.find((document) => document.key === key)!);
        return updates.some(({ record: { offset } }) => offset > after && offset <= through);
      },
      onBroken: (kind, document, detail) => this.violations.push({ kind, document, detail }),
      exists: (document) => !this.lifeOf(document).deleted,
      onAck: (ack) => {
        this.acks.push(ack);
        this.scheduler.note(ack.position.offset);
      },
    });
    return client;
  }

  /** Looks whether what the pages say of their positions is true now. */
  probe(): void {
    this.violations.push(...checkClaims(this));
  }

  /** What has not come to rest. */
  unsettled(): SimViolation[] {
    const found: SimViolation[] = [];
    const report = (document: string, detail: string) =>
      found.push({ kind: 'not-settled', document, detail });
    for (const client of this.clients)
      for (const document of this.documents) {
        const state = client.state(document);
        if (!client.isSettledIn(document)) report(document.key, `${client.name} ${JSON.stringify(state)}`);
      }
    for (const { key, outcome } of this.operator.asked) if (!outcome) report('-', `${key} is not answered`);
    for (const { partition, end } of this.partitions)
      if (this.stored[partition]! < end)
        report('-', `partition ${partition} stored to ${this.stored[partition]} of ${end}`);
    if (!this.isWell) report('-', this.#ills().join(', '));
    if (found.length === 0) report('-', 'it comes and goes');
    return found;
  }

  #start(name: string): void {
    const process = this.#process(name);
    if (name.startsWith('gateway')) this.#nodes.set(name, startGateway(process, this.#around));
    else if (name.startsWith('sync')) this.#nodes.set(name, startSync(process, this.#around));
    else this.#nodes.set(name, startPersister(process, this.#around));
  }

  #process(name: string): SimProcess {
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    return new SimProcess(name, this.scheduler, this.random.fork(`${name}#${incarnation}`));
  }
}

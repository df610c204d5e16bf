import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { decodeMessage } from '../../../lib/protocol/index.ts';
import { ProtocolManager } from '../../../lib/provider/index.ts';
import { ModelServer } from './model-server.ts';
import { SimulatedEnvironment } from './simulated-environment.ts';

const ADDRESS = { roomId: 'room', docId: 'doc' };
const SCHEDULES = 80;
const STEPS = 80;

interface Client {
  manager: ProtocolManager;
  doc: Y.Doc;
  acked: Set<number>;
  replaced: number;
}

/** A random schedule: edits, deletes, lost connections, lost frames, nacks, late deliveries, barriers. */
class Schedule {
  readonly environment: SimulatedEnvironment;
  readonly server: ModelServer;
  readonly clients: Client[];
  readonly happened = { barriers: 0, skips: 0 };

  constructor(seed: number) {
    this.environment = new SimulatedEnvironment(seed);
    this.server = new ModelServer(this.environment);
    this.server.offsetStep = 1 + Math.floor(this.environment.random() * 3);
    this.clients = [1, 2, 3].map(() => this.createClient());
    this.server.appendRule = () => {
      const chance = this.environment.random();
      if (chance < 0.05) return 'APPEND_FAILED';
      return chance < 0.07 ? 'lose' : undefined;
    };
  }

  createClient(): Client {
    const manager = new ProtocolManager({
      url: 'model:',
      roomId: 'room',
      transport: this.server.connect,
      environment: this.environment,
      maxUnacked: 4,
      ackTimeoutMs: 2000,
    });
    const client: Client = { manager, doc: new Y.Doc(), acked: new Set(), replaced: 0 };
    manager.on('acked', ({ version }) => client.acked.add(version));
    manager.on('document-replaced', ({ document }) => {
      client.doc = document as Y.Doc;
      client.replaced++;
    });
    if (this.environment.random() < 0.5) client.doc.getText('t').insert(0, 'before');
    manager.addDoc(client.doc, { docId: 'doc', recreate: () => new Y.Doc() });
    return client;
  }

  step(): void {
    const { random } = this.environment;
    const client = this.clients[Math.floor(random() * this.clients.length)]!;
    const sessions = [...this.server.sessions];
    const session = sessions[Math.floor(random() * sessions.length)];
    const chance = random();
    if (chance < 0.5) this.edit(client.doc);
    else if (chance < 0.6) session?.drop();
    else if (chance < 0.68 && session) session.isPaused = !session.isPaused;
    // A queue that was lost on the way: the client must see the gap by itself.
    else if (chance < 0.75) this.happened.skips += session?.skip(ADDRESS) ? 1 : 0;
    else if (chance < 0.755) {
      this.server.barrier(ADDRESS);
      this.happened.barriers++;
    } else this.environment.advance(random() * 60);
  }

  edit(doc: Y.Doc): void {
    const text = doc.getText('t');
    const { random } = this.environment;
    if (text.length > 3 && random() < 0.4) text.delete(Math.floor(random() * (text.length - 1)), 1);
    else text.insert(Math.floor(random() * text.length), String.fromCharCode(97 + Math.floor(random() * 26)));
    if (random() < 0.2) doc.getMap('m').set('k', Math.floor(random() * 100));
  }

  settle(): void {
    this.server.appendRule = () => undefined;
    // A lost tail shows with the next entry.
    this.edit(this.clients[0]!.doc);
    for (let i = 0; i < 60; i++) {
      for (const session of this.server.sessions) {
        session.isPaused = false;
        session.deliver(ADDRESS);
      }
      this.environment.advance(1000);
    }
  }
}

function contents(doc: Y.Doc): unknown {
  return { text: doc.getText('t').toString(), map: doc.getMap('m').toJSON() };
}

describe('random schedules', () => {
  it('all clients converge on the log, nothing acked is missing, no version is used twice', () => {
    let barriers = 0;
    let skips = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const schedule = new Schedule(seed);
      for (let i = 0; i < STEPS; i++) schedule.step();
      schedule.settle();
      const { server, clients } = schedule;
      const expected = new Y.Doc();
      Y.applyUpdate(expected, server.state(ADDRESS));
      const log = server.log(ADDRESS);
      for (const { manager, doc, acked } of clients) {
        const name = `seed ${seed}`;
        expect({ name, ...(contents(doc) as object) }).toEqual({ name, ...(contents(expected) as object) });
        expect({ name, unacked: manager.hasUnackedChanges }).toEqual({ name, unacked: false });
        const inLog = new Set(log.filter((r) => r.senderId === manager.senderId).map((r) => r.version));
        expect({ name, missing: [...acked].filter((version) => !inLog.has(version)) }).toEqual({
          name,
          missing: [],
        });
        manager.destroy();
      }
      const bytesOf = new Map<string, Uint8Array>();
      for (const { envelope } of [...log, ...server.refusedRecords]) {
        const { senderId, version } = decodeMessage(envelope).metadata;
        if (version === 0) continue;
        const known = bytesOf.get(`${senderId}/${version}`);
        if (known) expect(envelope).toEqual(known);
        bytesOf.set(`${senderId}/${version}`, envelope);
      }
      expect(server.joins.length).toBeLessThan(STEPS * 20);
      barriers += schedule.happened.barriers;
      skips += schedule.happened.skips;
    }
    // The schedules do contain what they are about.
    expect(barriers).toBeGreaterThan(10);
    expect(skips).toBeGreaterThan(10);
  });
});

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { ProtocolManager } from '../../lib/provider/index.ts';
import { replayTrace } from '../../scripts/lib/replay.ts';
import { readTrace } from '../../scripts/lib/trace.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { waitFor } from '../support/wait.ts';

const ROOT = join(import.meta.dirname, '../..');

const SLOW = { timeoutMs: 90_000 };
/** Sooner than clients repeat what they show by themselves, which is every 15 s. */
const SHOWN = { timeoutMs: 12_000 };

interface Person {
  doc: Y.Doc;
  text: Y.Text;
  awareness: Awareness;
  manager: ProtocolManager;
  synced: () => boolean;
}

function person(url: string, roomId: string, name: string): Person {
  const doc = new Y.Doc();
  const awareness = new Awareness(doc);
  awareness.setLocalStateField('user', { name });
  const manager = new ProtocolManager({ url, roomId });
  let isSynced = false;
  manager.on('synced', ({ state }) => {
    isSynced = state;
  });
  manager.addDoc(doc, { docId: 'text', awareness });
  return { doc, text: doc.getText('text'), awareness, manager, synced: () => isSynced };
}

const names = ({ awareness }: Person) =>
  [...awareness.getStates().values()].map((state) => (state.user as { name: string }).name).sort();

describe('a cluster of processes on Kafka and PostgreSQL', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster();
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  it('shows each client the edits and the people of the other gateway', async () => {
    const ann = person(cluster.urls[0]!, 'room', 'Ann');
    const bob = person(cluster.urls[1]!, 'room', 'Bob');
    try {
      await waitFor(() => ann.synced() && bob.synced(), SLOW);
      await waitFor(() => names(ann).length === 2 && names(bob).length === 2, SHOWN);
      expect(names(ann)).toEqual(['Ann', 'Bob']);
      ann.text.insert(0, 'from Ann. ');
      bob.text.insert(0, 'from Bob. ');
      await waitFor(() => ann.text.length === 20 && bob.text.length === 20, SLOW);
      expect(ann.text.toString()).toBe(bob.text.toString());
      await waitFor(() => !ann.manager.hasUnackedChanges && !bob.manager.hasUnackedChanges, SLOW);

      const eve = person(cluster.urls[1]!, 'room', 'Eve');
      await waitFor(() => names(eve).length === 3 && eve.synced(), SHOWN);
      expect(eve.text.toString()).toBe(ann.text.toString());
      await waitFor(() => names(ann).length === 3, { ...SHOWN, what: 'Eve has come' });
      eve.manager.destroy();
      await waitFor(() => names(ann).length === 2, { ...SHOWN, what: 'Eve has left' });
    } finally {
      ann.manager.destroy();
      bob.manager.destroy();
    }
  });

  it('replays a part of a real session with each author at another gateway', async () => {
    const trace = await readTrace(join(ROOT, 'test/data/friendsforever.json.gz'));
    const result = await replayTrace({ urls: cluster.urls, trace, room: 'replay', limit: 600 });
    expect(result.difference).toBeUndefined();
    expect(result).toMatchObject({ isEqual: true, transactions: 600 });
  });

  it('answers an operator who joins with the REPL', async () => {
    const env = [...cluster.processes.values()][0]!.environment;
    const repl = spawn(process.execPath, ['scripts/repl.ts'], {
      cwd: ROOT,
      env: { ...env, YKAFKA_NODE_ID: 'repl' },
    });
    const there = cluster.urls.map((url, at) => person(url, '7', `Person ${at}`));
    let output = '';
    for (const stream of [repl.stdout, repl.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    // A node that has just joined hears of the others one by one: a person would ask again, too.
    const ask = async (command: string, isAnswered: (answer: string) => boolean) => {
      const from = output.length;
      let asked = -Infinity;
      await waitFor(
        () => {
          if (performance.now() - asked > 2_000) {
            asked = performance.now();
            repl.stdin.write(`${command}\n`);
          }
          return isAnswered(output.slice(from));
        },
        { ...SLOW, what: `the answer to ${command}` },
      );
    };
    try {
      await waitFor(() => output.includes('y-kafka $'), { ...SLOW, what: `a prompt; got ${output}` });
      await ask('nodes', (answer) =>
        ['gateway-1', 'gateway-2', 'persister-1'].every((name) => answer.includes(name)),
      );
      await ask('actions', (answer) => answer.includes('fastsync.documents.join'));
      await ask('call gateway.connections.count', (answer) => /connections.{0,10}: .{0,10}\d/.test(answer));
      await waitFor(() => there.every(({ synced }) => synced()), SLOW);
      await ask('call presence.rooms.count --roomIds 7', (answer) => /'7'.{0,10}: .{0,10}2/.test(answer));
    } finally {
      for (const { manager } of there) manager.destroy();
      const exited = new Promise((resolve) => repl.once('exit', resolve));
      repl.kill('SIGTERM');
      await exited;
    }
  });

  it('logged no error and lost no process', () => {
    expect(cluster.complaints).toEqual([]);
  });
});

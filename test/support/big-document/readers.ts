import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import * as Y from 'yjs';
import { ProtocolManager } from '../../../lib/provider/index.ts';

/*
 * A process of real clients that open one document at once. Prints one line of JSON, ReadersReport, when all of them
 * have it, and another one, their final states, when it hears a line.
 */

export interface ReadersReport {
  clients: number;
  progressEvents: number;
  /** Times that a state began. */
  states: number;
  complaints: string[];
  lastMs: number;
}

const { values } = parseArgs({
  options: { url: { type: 'string' }, room: { type: 'string' }, clients: { type: 'string' } },
});
const startedMs = performance.now();
const report: ReadersReport = {
  clients: Number(values.clients),
  progressEvents: 0,
  states: 0,
  complaints: [],
  lastMs: 0,
};

const people = Array.from({ length: report.clients }, () => {
  const manager = new ProtocolManager({ url: values.url!, roomId: values.room! });
  const doc = new Y.Doc();
  const synced = new Promise<void>((resolve) => manager.on('synced', ({ state }) => state && resolve()));
  let received = 0;
  manager.on('progress', ({ receivedBytes }) => {
    report.progressEvents++;
    if (receivedBytes <= received) report.states++;
    received = receivedBytes;
  });
  for (const name of ['update-failed', 'join-refused', 'connection-error', 'document-replaced'] as const)
    manager.on(name, (event) => report.complaints.push(`${name} ${JSON.stringify(event)}`));
  manager.addDoc(doc, { docId: 'text' });
  return { manager, doc, synced };
});
await Promise.all(people.map(({ synced }) => synced));
report.lastMs = performance.now() - startedMs;
report.states += report.clients;
console.log(JSON.stringify(report));

process.stdin.on('data', (data) => {
  const [length] = data.toString().trim().split(' ').map(Number);
  const timer = setInterval(() => {
    // Everything that has been typed is there.
    if (people.some(({ doc }) => doc.getText('t').length < length!)) return;
    clearInterval(timer);
    const digests = people.map(({ doc }) =>
      createHash('sha256').update(doc.getText('t').toString()).digest('hex'),
    );
    console.log(JSON.stringify(digests));
    process.exit(0);
  }, 100);
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ServiceBroker } from 'moleculer';
import pg from 'pg';
import * as Y from 'yjs';
import { createBrokerOptions } from '../../lib/broker/options.ts';
import { loadConfig } from '../../lib/config.ts';
import { silentLogger } from '../../lib/log.ts';
import { prepareTransporterTopics } from '../../lib/stream/kafka.ts';
import type { OperationResult } from '../../lib/lifecycle/operation.ts';
import type { Remains } from '../../lib/lifecycle/remains.ts';
import { ProtocolManager, type ManagerEvents } from '../../lib/provider/index.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

const HOUR_MS = 3_600_000;
const RETENTION_HOURS = 5;
const SLOW = { timeoutMs: 120_000 };

let cluster: TestCluster;
let broker: ServiceBroker;
const managers: ProtocolManager[] = [];

beforeAll(async () => {
  const namespace = `documents-${randomBytes(4).toString('hex')}`;
  cluster = await startTestCluster({
    replicas: { persister: 2 },
    env: { YKAFKA_NAMESPACE: namespace, YKAFKA_RETENTION_HOURS: String(RETENTION_HOURS) },
  });
  const kafkaBrokers = process.env.KAFKA_BROKERS!.split(',');
  const config = loadConfig({}, { mode: 'cluster', kafkaBrokers, namespace, logLevel: 'error' });
  await prepareTransporterTopics({ config, nodeId: 'operator', logger: silentLogger });
  broker = new ServiceBroker({ ...createBrokerOptions(config, 'operator'), logger: false });
  await broker.start();
  await broker.waitForServices('persister', 60_000);
});
afterAll(async () => {
  for (const manager of managers.splice(0)) manager.destroy();
  await broker?.stop();
  await cluster?.stop();
});

const call = <T = OperationResult>(operation: string, params: Record<string, unknown>) =>
  broker.call<T, object>(`persister.documents.${operation}`, params, { timeout: 30_000 });

/** Somebody who types a letter again and again until the document ends, at one of the gateways. */
function typist(gateway: number, roomId: string, letter = 'x') {
  const manager = new ProtocolManager({ url: cluster.urls[gateway]!, roomId });
  managers.push(manager);
  const doc = new Y.Doc();
  const acked: { version: number; position: { generation: number; offset: number } }[] = [];
  const ends: ManagerEvents['document-deleted'][] = [];
  manager.on('acked', (event) => acked.push(event));
  manager.on('document-deleted', (event) => ends.push(event));
  manager.addDoc(doc, { docId: 'doc' });
  const timer = setInterval(() => {
    if (manager.documentState('doc')?.isSynced) doc.getText('t').insert(0, letter);
  }, 5);
  const stop = () => clearInterval(timer);
  manager.on('document-deleted', stop);
  return { manager, doc, acked, ends, stop };
}

async function query<T extends pg.QueryResultRow>(text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: cluster.databaseUrl });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

describe('a document on the cluster', () => {
  it('is deleted while people type at both gateways, each update before or behind it, and leaves the store', async () => {
    const document = { tenantId: 'default', roomId: 'deleted', docId: 'doc' };
    const typists = [typist(0, 'deleted'), typist(1, 'deleted')];
    await waitFor(() => typists.every(({ acked }) => acked.length > 100), SLOW);
    const before = Date.now();
    const result = await call('delete', { document, key: 'k1', expectedGeneration: 1, userId: 'operator' });
    expect(result).toMatchObject({ outcome: 'done', generation: 2, deleted: true, announced: true });
    await waitFor(() => typists.every(({ ends }) => ends.length === 1), SLOW);
    for (const { acked, ends } of typists) {
      expect(ends[0]!.position).toEqual(result.position);
      for (const { position } of acked) {
        expect(position.generation).toBe(1);
        expect(position.offset).toBeLessThan(result.position!.offset);
      }
    }
    const ackedUpdates = typists.reduce(
      (sum, { acked }) => sum + new Set(acked.map(({ version }) => version)).size,
      0,
    );
    const evidence = await waitFor(async () => {
      type Inspected = { generations: { generation: number; removed: Record<string, number> }[] };
      const { generations } = await call<Inspected>('inspect', { document });
      return generations[0]?.removed?.completedAtMs === undefined ? undefined : generations[0];
    }, SLOW);
    expect(evidence!.removed.rows).toBeGreaterThanOrEqual(ackedUpdates);
    for (const table of ['update_history', 'document_snapshots'])
      expect(await query(`select 1 from ${table}`)).toEqual([]);
    expect(await query('select 1 from quarantined_records where octet_length(value) > 0')).toEqual([]);

    const remains = await call<Remains>('remains', { document });
    expect(remains).toMatchObject({ inLog: true, deletion: result.position });
    const hours = (Date.parse(remains.until!) - before) / HOUR_MS;
    expect(hours).toBeGreaterThan(2 * RETENTION_HOURS);
    expect(hours).toBeLessThan(2 * RETENTION_HOURS + 2);

    expect(await call('create', { document, key: 'k2', expectedGeneration: 2 })).toMatchObject({
      outcome: 'done',
      generation: 3,
    });
    const next = typist(1, 'deleted', 'y');
    await waitFor(() => next.acked.length > 5, SLOW);
    next.stop();
    expect(next.acked[0]!.position.generation).toBe(3);
    // Nothing of what was there before.
    expect(next.doc.getText('t').toString()).toMatch(/^y+$/);
  });

  it('is deleted once by an operation that is repeated while persisters are killed', async () => {
    const document = { tenantId: 'default', roomId: 'killed', docId: 'doc' };
    const person = typist(0, 'killed');
    await waitFor(() => person.acked.length > 20, SLOW);
    const name = 'persister-1';
    const request = { document, key: 'k', expectedGeneration: 1 };
    const operating = call('delete', request).catch(() => undefined); // its process may be the killed one
    await cluster.processes.get(name)!.end('SIGKILL');
    await operating;
    const result = await waitFor(() => call('delete', request).catch(() => undefined), SLOW);
    expect(result).toMatchObject({ outcome: 'done', generation: 2, deleted: true });
    await cluster.restart(name);
    await waitFor(() => person.ends.length === 1, SLOW);
    await waitFor(
      async () =>
        (await query(`select 1 from document_generations where removed_at is not null`)).length === 2,
      SLOW,
    );
    const began = await query<{ n: string }>(
      `select count(*) as n from document_generations g join documents d on d.id = g.document_id
       where d.room_id = 'killed'`,
    );
    expect(began).toEqual([{ n: '1' }]);
  });
});

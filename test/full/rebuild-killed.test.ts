import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import * as Y from 'yjs';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { DocumentId } from '../../lib/protocol/ids.ts';
import { createPostgresStore } from '../../lib/store/postgres.ts';
import { PERSISTER_CONSUMER, type PersistenceAdapter } from '../../lib/store/port.ts';
import { makeDatabase, type TestDatabase } from '../contract/store-database.ts';
import { waitFor } from '../support/wait.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTS = 400;
/** From here on a run waits for whoever is to kill it, so that a busy machine does not come too late. */
const GATED = 300;
const PLACE = { epoch: 1, partition: 0 };
/** What somebody has made of the snapshots: an empty document each. */
const SPOILT = Y.encodeStateAsUpdate(new Y.Doc());
/** Documents rebuilt when the process is killed, in one run after the other. */
const KILLS = [1, 60, 120];

const documentAt = (n: number): DocumentId => ({ tenantId: 'default', roomId: 'room', docId: `doc ${n}` });

/** With a deletion, an update whose predecessor never came, and a delete of what is not there. */
function updatesOf(n: number): Uint8Array[] {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array) => void updates.push(update));
  doc.getText('t').insert(0, `hello world ${n}`);
  doc.getText('t').delete(0, 6);
  doc.getText('t').insert(5, ' lost');
  doc.getText('t').insert(10, ' pending');
  doc.getText('t').delete(6, 3);
  updates.splice(2, 1);
  return updates;
}

function shape(updates: readonly Uint8Array[]) {
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  const { pendingStructs, pendingDs } = doc.store;
  return {
    text: doc.getText('t').toString(),
    hasStructs: pendingStructs !== null,
    hasDeletes: pendingDs !== null,
  };
}

describe('npm run rebuild', () => {
  let database: TestDatabase;
  let store: PersistenceAdapter;
  let gate: pg.Client;
  const expected = Array.from({ length: DOCUMENTS }, (_, n) => updatesOf(n));

  beforeAll(async () => {
    database = await makeDatabase();
    store = await createPostgresStore({
      databaseUrl: database.url,
      logger: silentLogger,
      clock: systemClock,
    });
    await store.prepare();
    const records = expected.flatMap((updates, n) =>
      updates.map((payload, at) => ({
        kind: 'update' as const,
        offset: n * updates.length + at,
        document: documentAt(n),
        generation: 1,
        senderId: `sender ${n}`,
        clientVersion: at + 1,
        atMs: 0,
        metadata: {},
        payload,
      })),
    );
    const range = { fetchOffset: 0, nextOffset: records.length };
    await store.storeBatch({ consumer: PERSISTER_CONSUMER, ...PLACE, ...range, records });
    for (let n = 0; n < DOCUMENTS; n++) {
      const snapshot = {
        document: documentAt(n),
        generation: 1,
        ...PLACE,
        throughOffset: records.length - 1,
      };
      const spoilt = { ...snapshot, data: SPOILT, stateVector: Uint8Array.of(0) };
      expect(await store.persistSnapshot(spoilt)).toBe(true);
    }
    await database.run(`
      create function wait_at_gate() returns trigger language plpgsql as $$ begin
        if (select count(*) from document_snapshots where octet_length(data) > ${SPOILT.byteLength}) >= ${GATED} then
          perform pg_advisory_lock_shared(4711); perform pg_advisory_unlock_shared(4711);
        end if;
        return new;
      end $$;
      create trigger gate before insert or update on document_snapshots for each row execute function wait_at_gate()`);
    gate = new pg.Client({ connectionString: database.url });
    await gate.connect();
  });

  afterAll(async () => {
    await gate.end();
    await store.close();
    await database.drop();
  });

  function start() {
    const child = spawn(process.execPath, ['scripts/rebuild.ts'], {
      cwd: ROOT,
      // The log is not asked.
      env: { ...process.env, DATABASE_URL: database.url, KAFKA_BROKERS: '127.0.0.1:1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, ended, output: () => output };
  }

  async function rebuilt(): Promise<number> {
    const sql = `select count(*)::int as n from document_snapshots where octet_length(data) > ${SPOILT.byteLength}`;
    return (await database.run<{ n: number }>(sql))[0]!.n;
  }

  /** Of all but this question. */
  async function connections(): Promise<number[]> {
    const sql = `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    return (await database.run<{ pid: number }>(sql)).map(({ pid }) => pid);
  }

  async function states() {
    const found: ReturnType<typeof shape>[] = [];
    for (const n of expected.keys()) {
      const { snapshot, updates } = await store.load({ document: documentAt(n), ...PLACE });
      found.push(shape([snapshot!.data, ...updates.map(({ payload }) => payload)]));
    }
    return found;
  }

  it('killed in the middle, again and again, leaves each document with a snapshot; run again it ends with all states', async () => {
    const whole = expected.map(shape);
    expect(whole[0]).toEqual({ text: 'world 0', hasStructs: true, hasDeletes: true });
    for (const count of KILLS) {
      const before = await connections();
      await gate.query('select pg_advisory_lock(4711)');
      const { child, ended } = start();
      await waitFor(async () => (await rebuilt()) >= count || child.exitCode !== null, {
        timeoutMs: 120_000,
      });
      child.kill('SIGKILL');
      expect(await ended).toBeNull();
      await gate.query('select pg_advisory_unlock(4711)');
      // What it had asked for last may still be done.
      await waitFor(async () => (await connections()).every((pid) => before.includes(pid)), {
        timeoutMs: 60_000,
        what: 'the database has noticed its end',
      });
      const found = await states();
      process.stdout.write(`killed at ${count}: ${await rebuilt()}\n`);
      const right = found.filter(({ text }, n) => text === whole[n]!.text).length;
      expect(right).toBe(await rebuilt());
      expect(right).toBeGreaterThanOrEqual(count);
      expect(right).toBeLessThan(DOCUMENTS);
      // A run begins with the first document again: it must not stop at what another has done.
      await database.run(`update document_snapshots set data = '\\x0000' where id % 2 = 0`);
    }
    const last = start();
    expect(await last.ended).toBe(0);
    expect(last.output()).toContain(`${DOCUMENTS} rebuilt, 0 skipped, 0 failed`);
    expect(await states()).toEqual(whole);
    expect(await rebuilt()).toBe(DOCUMENTS);
  });
});

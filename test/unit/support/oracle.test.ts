import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { effectOf, judge, type Evidence } from '../../support/oracle/index.ts';
import { cleanRun, DOCUMENT, evidenceOf } from './oracle-run.ts';

function spoiled(
  change: (evidence: ReturnType<typeof evidenceOf>, run: ReturnType<typeof cleanRun>) => void,
) {
  const run = cleanRun();
  const evidence = evidenceOf(run);
  evidence.deliveries[0]!.events.unshift({
    kind: 'state',
    position: { generation: 1, epoch: 1, partition: 0, offset: -1 },
  } as never);
  change(evidence, run);
  return judge(evidence as Evidence);
}

const kinds = (verdict: ReturnType<typeof judge>) => [...new Set(verdict.violations.map(({ kind }) => kind))];

/** The state that all updates but one lead to. */
function without({ edits }: ReturnType<typeof cleanRun>, index: number): Uint8Array {
  const doc = new Y.Doc({ guid: 'test' });
  edits.forEach(({ update }, at) => at !== index && Y.applyUpdate(doc, update));
  return Y.encodeStateAsUpdate(doc);
}

/** Index of the only update that deletes and inserts nothing. */
function deletion({ edits }: ReturnType<typeof cleanRun>): number {
  const index = edits.findIndex(({ update }) => effectOf(update).inserts.length === 0);
  expect(index).toBeGreaterThan(0);
  return index;
}

describe('the oracle', () => {
  it('finds nothing in a clean run', () => {
    const verdict = spoiled(() => undefined);
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ lost: 0, quarantined: 0 });
    expect(verdict.acked).toBeGreaterThan(4);
  });

  it('judges effects as it judges bytes', () => {
    const verdict = spoiled((evidence, run) => {
      evidence.acks = evidence.acks.map((ack) => ({ ...ack, update: effectOf(ack.update as Uint8Array) }));
      for (const state of evidence.states) state.state = without(run, 2);
    });
    expect(kinds(verdict)).toContain('acked-update-lost');
    expect(
      spoiled((evidence) => {
        evidence.acks = evidence.acks.map((ack) => ({ ...ack, update: effectOf(ack.update as Uint8Array) }));
      }).violations,
    ).toEqual([]);
  });

  it('finds an insertion that everybody lost', () => {
    const verdict = spoiled((evidence, run) => {
      for (const state of evidence.states) state.state = without(run, 1);
    });
    expect(kinds(verdict)).toContain('acked-update-lost');
    expect(verdict.lost).toBeGreaterThan(0);
  });

  it('finds a deletion that everybody lost, which no state vector shows', () => {
    const verdict = spoiled((evidence, run) => {
      const state = without(run, deletion(run));
      const whole = evidence.states[0]!.state;
      expect(Y.encodeStateVectorFromUpdate(state)).toEqual(Y.encodeStateVectorFromUpdate(whole));
      for (const each of evidence.states) each.state = state;
    });
    expect(kinds(verdict)).toContain('acked-update-lost');
    expect(verdict.lost).toBe(1);
    expect(verdict.violations.find(({ kind }) => kind === 'acked-update-lost')!.detail).toMatch(
      /deletion 1:0-4/,
    );
  });

  it('finds one client that lacks only a deletion', () => {
    const verdict = spoiled((evidence, run) => {
      evidence.states[1]!.state = without(run, deletion(run));
    });
    expect(kinds(verdict)).toEqual(['states-differ']);
    expect(verdict.violations[0]!.detail).toMatch(/^bob/);
  });

  it('finds a client with a pending part', () => {
    const verdict = spoiled((evidence, run) => {
      const doc = new Y.Doc({ guid: 'test' });
      run.edits.forEach(({ update }) => Y.applyUpdate(doc, update));
      const other = new Y.Doc({ guid: 'test' });
      const updates: Uint8Array[] = [];
      other.on('update', (update: Uint8Array) => updates.push(update));
      other.getText('text').insert(0, 'a');
      other.getText('text').insert(1, 'b');
      Y.applyUpdate(doc, updates[1]!);
      evidence.states[0]!.state = Y.encodeStateAsUpdate(doc);
    });
    expect(kinds(verdict)).toEqual(['states-differ']);
  });

  it('takes the same content in differently split runs for the same', () => {
    const verdict = spoiled((evidence, run) => {
      // One client never collects what is deleted, and took everything backwards.
      const doc = new Y.Doc({ guid: 'test', gc: false });
      for (const { update } of [...run.edits].reverse()) Y.applyUpdate(doc, update);
      evidence.states[0]!.state = Y.encodeStateAsUpdate(doc);
      expect(evidence.states[0]!.state).not.toEqual(evidence.states[1]!.state);
    });
    expect(verdict.violations).toEqual([]);
  });

  it('finds a fold of the rows that differs, also by a deletion only', () => {
    const verdict = spoiled((evidence, run) => {
      const index = deletion(run);
      evidence.rows[index]!.payload = run.edits[0]!.update;
      evidence.log = [];
      evidence.rows.forEach((row) => (row.version = 0));
      evidence.acks = [];
    });
    expect(kinds(verdict)).toContain('fold-differs');
  });

  it('finds an acked update that has no row, and a record that was skipped', () => {
    const verdict = spoiled((evidence) => void evidence.rows.splice(1, 1));
    expect(kinds(verdict)).toEqual(
      expect.arrayContaining(['acked-update-not-stored', 'record-not-stored', 'fold-differs']),
    );
  });

  it('finds an acked update that is not in the log, or behind its ack', () => {
    expect(kinds(spoiled(({ log, rows }) => void (log.splice(1, 1), rows.splice(1, 1))))).toContain(
      'acked-update-not-in-log',
    );
    expect(kinds(spoiled(({ acks }) => void (acks[1]!.position.offset = 0)))).toEqual(['ack-ahead-of-log']);
  });

  it('finds a doubled row and a row that the log does not have', () => {
    expect(kinds(spoiled(({ rows }) => void rows.push({ ...rows.at(-1)! })))).toEqual(['row-doubled']);
    const made = kinds(spoiled(({ rows }) => void rows.push({ ...rows.at(-1)!, offset: 99 })));
    expect(made).toEqual(['row-not-in-log']);
  });

  it('finds a second payload of a retry key, a first row without one, and a repeat that names another row', () => {
    const second = spoiled(({ rows }) => {
      rows.at(-1)!.payload = rows[0]!.payload;
      rows.at(-1)!.repeatOf = undefined;
    });
    expect(kinds(second)).toEqual(['payload-doubled']);
    expect(kinds(spoiled(({ rows }) => void delete rows[0]!.payload))).toContain('payload-missing');
    const wrong = spoiled(({ rows }) => void (rows.at(-1)!.repeatOf = 1));
    expect(kinds(wrong)).toEqual(['repeat-names-wrong-row']);
  });

  it('finds two payloads under one retry key', () => {
    const verdict = spoiled(({ log }, { edits }) => {
      const last = log.at(-1)!;
      if (last.kind === 'update') last.payload = edits[1]!.update;
    });
    expect(kinds(verdict)).toEqual(['retry-key-with-two-payloads']);
  });

  it('finds a position that moved over a gap, and none when a state or the missing entry fills it', () => {
    const gap = spoiled(({ deliveries }) => {
      const { events } = deliveries[0]!;
      const index = events.findIndex((event) => event.kind === 'entry' && event.position.offset === 1);
      events.splice(index, 2);
    });
    expect(kinds(gap)).toEqual(['position-over-a-gap']);
    const late = spoiled(({ deliveries }) => {
      const { events } = deliveries[0]!;
      const index = events.findIndex((event) => event.kind === 'entry' && event.position.offset === 1);
      // The second and third come in the wrong order, and the client stands still meanwhile.
      const [second, atSecond, third, atThird] = events.splice(index, 4);
      const still = { kind: 'at' as const, position: { ...atSecond!.position, offset: 0 } };
      events.splice(index, 0, third!, still, second!, atThird!);
    });
    expect(late.violations).toEqual([]);
  });

  it('finds an entry that the log does not have at that place', () => {
    const verdict = spoiled(({ deliveries }) => {
      const entry = deliveries[0]!.events.find((event) => event.kind === 'entry');
      (entry as { version: number }).version = 77;
    });
    expect(kinds(verdict)).toEqual(['delivered-otherwise-than-logged']);
  });

  it('counts what is in quarantine and does not call it lost', () => {
    const verdict = spoiled((evidence, run) => {
      const index = run.edits.length - 1;
      const [row] = evidence.rows.splice(index, 1);
      evidence.quarantined.push(row as never);
      for (const state of evidence.states) state.state = without(run, index);
    });
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ quarantined: 1, lost: 0 });
  });

  it('does not ask for what an earlier generation held, but for what the new one does', () => {
    const verdict = spoiled((evidence) => {
      const position = { epoch: 1, partition: 0, offset: 50 };
      evidence.log.push({ kind: 'barrier', document: DOCUMENT, generation: 2, ...position });
      for (const state of evidence.states)
        Object.assign(state, { generation: 2, state: new Uint8Array([0, 0]) });
    });
    expect(verdict.violations).toEqual([]);
    const old = spoiled((evidence) => void (evidence.states[1]!.generation = 2));
    expect(kinds(old)).toEqual(['states-differ']);
  });

  it('is cheap: thousands of small runs can be judged in a minute', () => {
    const evidence = evidenceOf(cleanRun()) as Evidence;
    judge(evidence);
    const start = process.cpuUsage();
    for (let run = 0; run < 200; run++) judge(evidence);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000 / 200).toBeLessThan(5);
  });
});

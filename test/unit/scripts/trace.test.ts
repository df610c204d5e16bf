import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import * as Y from 'yjs';
import { Authors, limitTrace } from '../../../scripts/lib/authors.ts';
import { holdsEffect } from '../../../scripts/lib/replica.ts';
import { parseTrace, readTrace, TraceError } from '../../../scripts/lib/trace.ts';
import { mergeOutOfOrder } from '../../support/out-of-order.ts';

const dataDir = join(import.meta.dirname, '../../data');
const FRIENDS = join(dataDir, 'friendsforever.json.gz');
const PAPER = join(dataDir, 'automerge-paper.json.gz');

describe('the shipped traces', () => {
  it('reads two people who type concurrently, and gives a prefix the text of its own merge', async () => {
    const trace = await readTrace(FRIENDS);
    expect(trace).toMatchObject({ agents: 2, edits: 26_078, hasAstral: false });
    const prefix = limitTrace(trace, 5000);
    expect(prefix.transactions).toHaveLength(5000);
    expect(mergeOutOfOrder(prefix)).toBe(prefix.endContent);
  });

  it('reads one author as a chain, and a prefix has the text that plain editing gives', async () => {
    const trace = await readTrace(PAPER);
    expect(trace).toMatchObject({ agents: 1, edits: 259_778, hasAstral: false });
    const prefix = limitTrace(trace, 10_000);
    expect(mergeOutOfOrder(prefix)).toBe(prefix.endContent);
    expect(limitTrace(trace)).toBe(trace);
  });
});

describe('positions', () => {
  it('count code points although Yjs counts UTF-16 units', () => {
    const trace = parseTrace({
      startContent: 'a😀b',
      endContent: '😀🎉!',
      txns: [{ patches: [[3, 0, '🎉!']] }, { patches: [[2, 1, '']] }, { patches: [[0, 1, '']] }],
    });
    expect(trace.hasAstral).toBe(true);
    expect(mergeOutOfOrder(trace)).toBe('😀🎉!');
    expect(limitTrace(trace, 2).endContent).toBe('a😀b🎉!');
  });

  it('refer to what the author had seen, astral characters of others included', () => {
    const trace = parseTrace({
      endContent: '🙂x🚀y',
      txns: [
        { agent: 0, parents: [], patches: [[0, 0, 'xy']] },
        { agent: 1, parents: [0], patches: [[0, 0, '🙂']] }, // agent 0 has not seen it
        { agent: 0, parents: [0], patches: [[1, 0, '🚀']] },
        { agent: 0, parents: [1, 2], patches: [[4, 0, '??']] },
        { agent: 0, parents: [3], patches: [[4, 2, '']] },
      ],
    });
    expect(mergeOutOfOrder(trace)).toBe(trace.endContent);
  });

  it('beyond the text are an error, not a clipped edit', () => {
    const trace = parseTrace({ endContent: '', txns: [{ patches: [[1, 0, 'x']] }] });
    expect(() => new Authors(trace).make(0)).toThrow(RangeError);
  });
});

describe('arrival', () => {
  const trace = parseTrace({
    endContent: 'b',
    txns: [
      { agent: 0, parents: [], patches: [[0, 0, 'ab']] },
      { agent: 0, parents: [0], patches: [[0, 1, '']] },
      { agent: 1, parents: [1], patches: [[1, 0, '!']] },
    ],
  });

  it('of a deletion is seen although it leaves the state vector as it was', () => {
    const authors = new Authors(trace);
    const inserted = authors.make(0)!;
    const deleted = authors.make(1)!;
    const doc = new Y.Doc();
    expect(holdsEffect(doc, deleted)).toBe(false);
    Y.applyUpdate(doc, inserted.update);
    expect([holdsEffect(doc, inserted), holdsEffect(doc, deleted)]).toEqual([true, false]);
    Y.applyUpdate(doc, deleted.update);
    expect(holdsEffect(doc, deleted)).toBe(true);
  });

  it('is awaited for what the author saw, and unknown until that has been made', () => {
    const authors = new Authors(trace);
    authors.make(0);
    expect(authors.awaited(2)).toBeUndefined();
    const deleted = authors.make(1);
    expect(authors.awaited(2)).toEqual([deleted]);
    authors.make(2);
    expect(authors.awaited(2)).toEqual([]);
  });
});

describe('bad traces', () => {
  const bad: [string, unknown][] = [
    ['no object', 7],
    ['no transactions', { endContent: '' }],
    ['no end', { txns: [] }],
    ['bad patch', { endContent: '', txns: [{ patches: [[0, -1, '']] }] }],
    ['parent in the future', { endContent: '', txns: [{ parents: [0], patches: [] }] }],
    [
      'an agent that forgot its own edit',
      {
        endContent: '',
        txns: [
          { agent: 0, parents: [], patches: [] },
          { agent: 0, parents: [], patches: [] },
        ],
      },
    ],
  ];
  it.each(bad)('%s: a TraceError that says what is wrong', (_, json) => {
    expect(() => parseTrace(json)).toThrow(TraceError);
  });

  it('a missing file and a file that is no trace are named', async () => {
    await expect(readTrace('/nowhere/trace.json')).rejects.toThrow(/nowhere/);
    await expect(readTrace(import.meta.filename)).rejects.toThrow(/JSON/);
  });
});

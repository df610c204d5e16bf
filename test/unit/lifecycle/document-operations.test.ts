import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { AppError } from '../../../lib/errors.ts';
import { readChange } from '../../../lib/lifecycle/announcement.ts';
import { LifecycleWorld, type Append } from '../../support/lifecycle-world.ts';
import { updateRecord } from '../../support/log-records.ts';
import { barriersIn, dying, failing, stateOf, write } from './operations.ts';

let world: LifecycleWorld;
beforeEach(async () => {
  world = await LifecycleWorld.open();
});
afterEach(() => world.close());

/** An operation that was decided when the document had this generation. */
const request = (key: string, expectedGeneration = 1) => ({
  document: world.document,
  key,
  expectedGeneration,
});

describe('documents.delete and documents.create', () => {
  it('delete leaves nothing to join, create makes it again, empty; both tell the control topic', async () => {
    await write(world, 'old');
    expect((await world.join()).text).toBe('old');
    const deleted = await world.operator().delete(request('k1'));
    expect(deleted).toMatchObject({ outcome: 'done', generation: 2, deleted: true, announced: true });
    expect(deleted.position).toMatchObject({ generation: 2, offset: 1 });
    expect(await world.join()).toMatchObject({ deleted: true, text: '' });
    const made = await world.operator().create(request('k2', 2));
    expect(made).toMatchObject({ outcome: 'done', generation: 3, deleted: false });
    expect(await world.join()).toMatchObject({ position: { generation: 3 }, text: '' });
    const control = { topic: world.topics.controlTopic, partition: 0 };
    const told = await world.stream.read({ ...control, fromOffset: 0, toOffset: 2, maxBytes: 10_000 });
    expect(told.records.map(readChange)).toEqual([
      { document: world.document, position: deleted.position, deleted: true },
      { document: world.document, position: made.position, deleted: false },
    ]);
  });

  it('are done once, however often they are asked for, before and after the store has them', async () => {
    await write(world, 'old');
    const first = await world.operator().delete(request('k1'));
    for (const persisted of [false, true]) {
      if (persisted) await world.persist();
      expect(await world.operator().delete(request('k1'))).toEqual(first);
      expect(await world.operator().delete(request('another', 2))).toEqual({
        ...first,
        outcome: 'unchanged',
      });
      expect(await barriersIn(world)).toBe(1);
    }
    await world.operator().create(request('k2', 2));
    // A call that ran late must not delete what was made since.
    expect(await world.operator().delete(request('k1'))).toMatchObject({
      outcome: 'superseded',
      generation: 3,
      deleted: false,
    });
    expect(await world.operator().create(request('k3', 3))).toMatchObject({ outcome: 'unchanged' });
    expect(await barriersIn(world)).toBe(2);
  });

  it('a key says which operation it is: another one under the same key is refused', async () => {
    await world.operator().delete(request('k1'));
    const refused = { type: 'BAD_INPUT', data: { field: 'key', generation: 2 } };
    await expect(world.operator().create(request('k1', 2))).rejects.toMatchObject(refused);
    await expect(world.operator().delete(request('k\u0000'))).rejects.toMatchObject({ type: 'BAD_INPUT' });
    expect(await barriersIn(world)).toBe(1);
  });

  it('a document that nobody has written can be deleted: no old copy can begin it', async () => {
    expect(await world.operator().delete(request('k'))).toMatchObject({ outcome: 'done', generation: 2 });
    await write(world, 'from an old copy');
    expect(await world.join()).toMatchObject({ deleted: true, text: '' });
  });

  it('goes by the generation that is expected, and says which there is', async () => {
    await write(world, 'old');
    await expect(world.operator().delete(request('k1', 2))).rejects.toMatchObject({
      type: 'GENERATION_CONFLICT',
      code: 409,
      data: { generation: 1, deleted: false },
    });
    expect(await barriersIn(world)).toBe(0);
    expect(await world.operator().delete(request('k1'))).toMatchObject({ outcome: 'done' });
    expect(await world.operator().delete(request('k1'))).toMatchObject({ outcome: 'done' });
  });

  it('a repetition that runs late does nothing where the first run found nothing to do', async () => {
    const conflict = { type: 'GENERATION_CONFLICT' };
    await write(world, 'old');
    const create = request('create early');
    expect(await world.operator().create(create)).toMatchObject({ outcome: 'unchanged' });
    await world.operator().delete(request('k1'));
    const deletes = [request('asked for before', 1), request('asked for behind', 2)];
    for (const each of deletes)
      expect(await world.operator().delete(each)).toMatchObject({ outcome: 'unchanged' });
    await expect(world.operator().create(create)).rejects.toMatchObject(conflict);
    expect(await world.join()).toMatchObject({ deleted: true });
    await world.operator().create(request('k2', 2));
    for (const persisted of [false, true]) {
      if (persisted) await world.persist();
      for (const each of deletes) await expect(world.operator().delete(each)).rejects.toMatchObject(conflict);
    }
    expect(await barriersIn(world)).toBe(2);
    expect((await world.join()).deleted).toBeUndefined();
  });

  it('an append whose answer was lost is found in the log, not made twice', async () => {
    await write(world, 'old');
    const result = await world.operator({ append: failing(world, { 1: 'answer' }) }).delete(request('k'));
    expect(result).toMatchObject({ outcome: 'done', generation: 2 });
    expect(await barriersIn(world)).toBe(1);
  });

  it('an append that did not reach the log is made again', async () => {
    await write(world, 'old');
    const append = failing(world, { 1: 'request', 2: 'request' });
    expect(await world.operator({ append }).delete(request('k'))).toMatchObject({ outcome: 'done' });
    expect(await barriersIn(world)).toBe(1);
  });

  it('a late barrier of an attempt that was given up changes nothing', async () => {
    await write(world, 'old');
    const late: Parameters<Append>[] = [];
    const append: Append = async (...call) => {
      if (late.length > 0 || call[0].topic !== world.at.topic) return world.stream.append(...call);
      late.push(call);
      throw new AppError('STREAM_APPEND_FAILED');
    };
    await world.operator({ append }).delete(request('k'));
    const made = await world.operator().create(request('k2', 2));
    await world.stream.append(...late[0]!);
    expect(await world.join()).toMatchObject({ position: { generation: made.generation } });
    expect((await world.join()).deleted).toBeUndefined();
    await world.persist();
    expect(await world.operator().inspect(world.document)).toMatchObject({ generation: 3, deleted: false });
  });

  it('a crash between the barrier and the control topic leaves a deleted document; the repetition tells it', async () => {
    await write(world, 'old');
    const crashed = await world.operator({ append: dying(world, 2) }).delete(request('k'));
    expect(crashed).toMatchObject({ outcome: 'done', announced: false });
    expect(await world.announcements()).toBe(0);
    expect(await world.join()).toMatchObject({ deleted: true });
    const again = await world.operator().delete(request('k'));
    expect(again).toEqual({ ...crashed, announced: true });
    expect(await world.announcements()).toBe(1);
    expect(await barriersIn(world)).toBe(1);
  });

  it('two operators at once end in one generation that both agree on', async () => {
    await write(world, 'old');
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, n) => world.operator().delete(request(`k${n}`))),
    );
    expect(results.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
    expect(new Set(results.map(({ generation }) => generation))).toEqual(new Set([2]));
    expect(await world.operator().inspect(world.document)).toMatchObject({ generation: 2, deleted: true });
  });

  it('sees barriers far behind the store, past records that are too large to read many at once', async () => {
    const doc = new Y.Doc();
    doc.getText('t').insert(0, 'x'.repeat(700_000));
    const large = Y.encodeStateAsUpdate(doc);
    await world.operator().delete(request('k1'));
    for (let version = 1; version <= 5; version++)
      await world.stream.append(world.at, [
        updateRecord(world.document, large, { senderId: 's', version, generation: 1 }),
      ]);
    expect(await world.operator().create(request('k2', 2))).toMatchObject({ outcome: 'done', generation: 3 });
  });
});

describe('documents.replace', () => {
  const replace = (key: string, text: string, expectedGeneration = 1) => ({
    ...request(key, expectedGeneration),
    state: stateOf(text),
  });

  it('puts the given state in the place of all that was', async () => {
    await write(world, 'old');
    const result = await world.operator().replace(replace('k', 'new'));
    expect(result).toMatchObject({ outcome: 'done', generation: 2, deleted: false });
    await write(world, 'late', { version: 2 });
    expect((await world.join()).text).toBe('new');
    await world.persist();
    expect((await world.join()).text).toBe('new');
    expect(await world.operator().replace(replace('k', 'new'))).toEqual(result);
    expect(await world.records()).toHaveLength(4);
  });

  it('makes a deleted document again', async () => {
    await world.operator().delete(request('k1'));
    await world.operator().replace(replace('k2', 'restored', 2));
    expect(await world.join()).toMatchObject({ text: 'restored', position: { generation: 3 } });
  });

  it('refuses what is no state before anything is written, and another state under the same key', async () => {
    const state = Uint8Array.of(1, 2, 3);
    await expect(world.operator().replace({ ...request('k'), state })).rejects.toMatchObject({
      type: 'BAD_INPUT',
      data: { field: 'state' },
    });
    expect(await world.records()).toHaveLength(0);
    await world.operator().replace(replace('k', 'one'));
    await expect(world.operator().replace(replace('k', 'other'))).rejects.toMatchObject({
      data: { field: 'key' },
    });
    expect((await world.join()).text).toBe('one');
  });

  it('of several at once one is done, the others are told so and change nothing', async () => {
    await write(world, 'old');
    const texts = ['one', 'two', 'three'];
    const results = await Promise.allSettled(
      texts.map((text) => world.operator().replace(replace(text, text))),
    );
    const done = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(done).toMatchObject([{ outcome: 'done', generation: 2 }]);
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ type: 'GENERATION_CONFLICT', data: { generation: 2 } });
    const { text, position } = await world.join();
    expect(texts).toContain(text);
    expect(position.generation).toBe(2);
    await world.persist();
    expect((await world.join()).text).toBe(text);
  });

  it('a crash at any of its records is completed by the repetition, with every record once', async () => {
    const doc = new Y.Doc();
    for (let n = 0; n < 20; n++) doc.getArray<string>('a').insert(0, [`${n}`.repeat(200)]);
    doc.getArray('a').delete(3, 2);
    const state = Y.encodeStateAsUpdate(doc);
    const options = { maxUpdateBytes: 2048 };
    for (const persisted of [false, true]) {
      for (const atCall of persisted ? [3] : [1, 2, 4]) {
        const { generation: present } = await world.operator().inspect(world.document);
        const big = { ...request(`k${atCall}${persisted}`, present), state };
        const dies = world.operator({ ...options, append: dying(world, atCall) }).replace(big);
        await expect(dies).rejects.toThrow('killed');
        if (persisted) await world.persist();
        const { incomplete } = await world.operator().inspect(world.document);
        expect(incomplete).toBe(atCall === 1 ? undefined : true);
        expect(await world.operator(options).replaced(big)).toBeUndefined();
        const before = (await world.records()).length;
        const result = await world.operator(options).replace(big);
        expect(await world.operator(options).replaced(big)).toEqual(result);
        const { generation } = result;
        const written = (await world.records()).slice(before - (atCall - 1));
        expect(written.map(({ headers }) => [headers.t, headers.c])).toEqual([
          ['4', '0'],
          ...Array.from({ length: written.length - 1 }, (_, n) => ['0', String(n + 1)]),
        ]);
        expect(written.length).toBeGreaterThan(3);
        const joined = await world.join();
        expect(joined.position.generation).toBe(generation);
        const copy = new Y.Doc();
        Y.applyUpdate(copy, joined.update);
        expect(copy.getArray('a').toJSON()).toEqual(doc.getArray('a').toJSON());
        expect(await world.operator().inspect(world.document)).not.toHaveProperty('incomplete');
      }
    }
  });

  it('is finished in its own generation only: a deletion that came meanwhile stays', async () => {
    await expect(
      world.operator({ append: dying(world, 2) }).replace(replace('k', 'secret')),
    ).rejects.toThrow();
    await world.operator().delete(request('delete', 2));
    const { length } = await world.records();
    expect(await world.operator().replace(replace('k', 'secret'))).toMatchObject({
      outcome: 'superseded',
      deleted: true,
    });
    expect(await world.records()).toHaveLength(length);
    expect(await world.join()).toMatchObject({ deleted: true, text: '' });
  });

  it('a lost answer of one of its updates does not double it', async () => {
    const append = failing(world, { 1: 'answer', 2: 'answer' });
    await world.operator({ append }).replace(replace('k', 'new'));
    expect(await world.records()).toHaveLength(2);
    expect((await world.join()).text).toBe('new');
  });
});

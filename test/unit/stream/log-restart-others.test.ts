import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  append,
  AWAY,
  follow,
  isBack,
  openDying,
  RESTARTS,
  SPEC,
  TARGET,
  UNKNOWN,
  until,
} from './dying-stream.ts';
import { LogFolder, recordOf } from './log-folder.ts';

let folder: LogFolder;

beforeEach(() => {
  folder = new LogFolder();
});

afterEach(() => folder.remove());

describe('what else was under way when the thread of the log ended', () => {
  it('a topic: it is made and told once, and asked for again it is the same', async () => {
    const { stream, log } = await openDying(folder, [{ kind: 'insertTopics', count: 2, when: 'after' }]);
    const heard: string[] = [];
    stream.topics((topic) => heard.push(topic));
    const other = { ...SPEC, topic: 'other' };
    await expect(stream.ensureTopics([other])).rejects.toMatchObject(AWAY);
    await until(() => log.opened === 2);
    await isBack(stream);
    expect(heard).toEqual(['other']);
    await stream.ensureTopics([other]);
    expect(await stream.identity('other')).toMatchObject({ topic: 'other', partitions: 2 });
    expect(heard).toEqual(['other']);
  });

  it('a trim: who reads what it has taken is told so, and gets no gap', async () => {
    const { stream } = await openDying(folder, [{ kind: 'trim', when: 'after' }]);
    for (const text of ['a', 'b', 'c']) await append(stream, text);
    await expect(stream.trim(TARGET, 2)).rejects.toMatchObject(AWAY);
    await isBack(stream);
    expect(await stream.startOffset(TARGET)).toBe(2);
    const range = { ...TARGET, fromOffset: 0, toOffset: 3, maxBytes: 1e6 };
    await expect(stream.read(range)).rejects.toMatchObject({ type: 'STREAM_OFFSET_OUT_OF_RANGE' });
  });

  it('droppable records: none takes the offset of a durable one that nobody knows of yet', async () => {
    const { stream, log } = await openDying(folder, [{ kind: 'commit', count: 2, when: 'after' }]);
    const drop = (text: string) => stream.append(TARGET, [recordOf(text)], { durability: 'droppable' });
    expect(await drop('x')).toEqual([0]);
    const { seen } = await follow(stream, 'end');
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await expect(drop('y')).rejects.toMatchObject(UNKNOWN);
    release();
    await isBack(stream);
    expect(await drop('z')).toEqual([2]);
    expect(await append(stream, 'b')).toEqual([3]);
    await until(() => seen.length >= 3);
    expect(seen).toEqual(['1 a', '2 z', '3 b']);
  });

  it('the end of the process: it closes while it waits to start again, and the file is free', async () => {
    const restarts = { ...RESTARTS, minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    const { stream, log } = await openDying(folder, [{ kind: 'commit', when: 'before' }], { restarts });
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await stream.close();
    expect(log.opened).toBe(1);
    expect(await append(await folder.open(), 'b')).toEqual([0]);
  });

  it('the end of the process: it closes while it is being opened, and the file is free', async () => {
    const { stream, log } = await openDying(folder, [{ kind: 'commit', when: 'before' }]);
    const release = log.hold();
    await expect(append(stream, 'a')).rejects.toMatchObject(UNKNOWN);
    await until(() => log.opened === 2);
    const closed = stream.close();
    release();
    await closed;
    expect(log.settled).toBe(2);
    expect(await append(await folder.open(), 'b')).toEqual([0]);
  });
});

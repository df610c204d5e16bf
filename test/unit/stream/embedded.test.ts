import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EmbeddedStream } from '../../../lib/stream/embedded.ts';
import type { DeliveredRecord, RecordBatch } from '../../../lib/stream/port.ts';
import { waitFor } from '../../support/wait.ts';
import { LogFolder, recordOf } from './log-folder.ts';

const TARGET = { topic: 'doc', partition: 0 };
const SPEC = { topic: 'doc', kind: 'doc', partitions: 2 } as const;

let folder: LogFolder;
let stream: EmbeddedStream;

beforeEach(async () => {
  folder = new LogFolder();
  stream = await folder.open();
  await stream.ensureTopics([SPEC]);
});

afterEach(() => folder.remove());

async function collect(from: EmbeddedStream, fromOffset: number | 'end' = 0): Promise<DeliveredRecord[]> {
  const records: DeliveredRecord[] = [];
  await from.follow({ ...TARGET, fromOffset, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}

const append = (to: EmbeddedStream, text: string, bytes = 0) => to.append(TARGET, [recordOf(text, bytes)]);

describe('the file of the embedded log', () => {
  it('is open once: a second handle of this process is refused with the path', async () => {
    await expect(folder.open()).rejects.toMatchObject({
      type: 'STREAM_LOCKED',
      message: expect.stringContaining(folder.file),
    });
    await stream.close();
    await expect((await folder.open()).listTopics()).resolves.toEqual(['doc']);
  });

  it('is refused when it is no log', async () => {
    writeFileSync(`${folder.file}.text`, 'something else '.repeat(1000));
    new DatabaseSync(`${folder.file}.other`).exec('CREATE TABLE t (x); PRAGMA user_version = 7');
    for (const file of [`${folder.file}.text`, `${folder.file}.other`])
      await expect(folder.open({ file })).rejects.toMatchObject({ type: 'BAD_CONFIG' });
  });

  it('is refused when a later version has written it', async () => {
    await stream.close();
    const database = new DatabaseSync(folder.file);
    database.exec('PRAGMA user_version = 2');
    database.close();
    await expect(folder.open()).rejects.toMatchObject({ type: 'BAD_CONFIG' });
  });

  it('rejects the appends of a tick together when the disk is full, delivers none of them, and goes on', async () => {
    const full = await folder.open({ file: `${folder.file}.small`, maxFileBytes: 600_000 });
    await full.ensureTopics([SPEC]);
    const followed = await collect(full);
    const acked: string[] = [];
    let failure: unknown;
    for (let n = 0; failure === undefined && n < 100; n++) {
      const tick = [append(full, `a${n}`, 5000), append(full, `b${n}`, 5000)];
      const outcomes = await Promise.allSettled(tick);
      expect(new Set(outcomes.map(({ status }) => status)).size).toBe(1);
      if (outcomes[0]!.status === 'rejected') failure = outcomes[0]!.reason;
      else acked.push(`a${n}`, `b${n}`);
    }
    expect(failure).toMatchObject({ type: 'STREAM_APPEND_FAILED', retryable: true });
    expect(acked.length).toBeGreaterThan(10);
    await full.trim(TARGET, await full.endOffset(TARGET));
    const [next] = await append(full, 'there is room again');
    expect(next).toBe(acked.length);
    await waitFor(() => followed.at(-1)?.offset === next);
    expect(followed.slice(0, -1).map(({ value }) => Buffer.from(value).toString().trim())).toEqual(acked);
  });

  it('keeps offsets after everything was trimmed, also across a restart', async () => {
    for (let n = 0; n < 5; n++) await append(stream, `r${n}`);
    await stream.trim(TARGET, 5);
    await stream.trim(TARGET, 3);
    await stream.close();
    stream = await folder.open();
    expect(await stream.startOffset(TARGET)).toBe(5);
    expect(await append(stream, 'next')).toEqual([5]);
    await expect(stream.trim(TARGET, 7)).rejects.toMatchObject({ type: 'STREAM_OFFSET_OUT_OF_RANGE' });
  });
});

describe('appends to the embedded log', () => {
  it('are refused while too many bytes wait, and taken again after the commit', async () => {
    const small = await folder.open({ file: `${folder.file}.buffer`, bufferBytes: 1000 });
    await small.ensureTopics([SPEC]);
    const first = [append(small, 'a', 600), append(small, 'b', 400)];
    await expect(append(small, 'c', 1)).rejects.toMatchObject({ type: 'STREAM_BUFFER_FULL' });
    expect(await Promise.all(first)).toEqual([[0], [1]]);
    expect(await append(small, 'larger than the buffer', 5000)).toEqual([2]);
  });

  it('of droppable records leave nothing in the file, and offsets grow across an orderly restart', async () => {
    const awareness = (text: string) => stream.append(TARGET, [recordOf(text)], { durability: 'droppable' });
    const offsets = [await append(stream, 'kept'), await awareness('x'), await awareness('y')].flat();
    expect(offsets).toEqual([0, 1, 2]);
    const late = await collect(stream);
    await waitFor(() => late.length === 3, { what: 'a late follower gets what is still in memory' });
    await stream.close();
    stream = await folder.open();
    expect(await stream.endOffset(TARGET)).toBe(3);
    expect(await append(stream, 'next')).toEqual([3]);
    const after = await collect(stream);
    await waitFor(() => after.length === 2);
    expect(after.map(({ offset }) => offset)).toEqual([0, 3]);
  });
});

it('a record that is none fails alone, not with the tick that it is in', async () => {
  const good = append(stream, 'good');
  const bad = stream.append(TARGET, [{ ...recordOf('bad'), key: undefined as unknown as string }]);
  await expect(bad).rejects.toMatchObject({ type: 'BAD_INPUT' });
  expect(await good).toEqual([0]);
});

describe('readers of the embedded log', () => {
  it('get batches of at most 1,000 records and about 4 MB', async () => {
    const small = Array.from({ length: 2500 }, (_, at) => recordOf(`${at}`));
    const large = Array.from({ length: 12 }, (_, at) => recordOf(`${at}`, 1_000_000));
    const batches: RecordBatch[] = [];
    const follow = async (fromOffset: number | 'end') =>
      stream.follow({ ...TARGET, fromOffset, onBatch: (batch) => void batches.push(batch) });
    await follow('end');
    await stream.append(TARGET, small);
    await stream.append(TARGET, large);
    await follow(0);
    await waitFor(() => batches.flatMap(({ records }) => records).length === 2 * 2512);
    for (const { records } of batches) {
      expect(records.length).toBeLessThanOrEqual(1000);
      expect(records.reduce((sum, { value }) => sum + value.byteLength, 0)).toBeLessThanOrEqual(4_194_304);
    }
  });

  it('share the values of the live tail, whoever reads them', async () => {
    const [one, two] = [await collect(stream), await collect(stream)];
    await append(stream, 'x');
    await waitFor(() => one.length === 1 && two.length === 1);
    expect(one[0]!.value).toBe(two[0]!.value);
  });

  it('go back to the file when they are so slow that their queue is full, and miss nothing', async () => {
    const { promise: blocked, resolve: unblock } = Promise.withResolvers<void>();
    const seen: number[] = [];
    await stream.follow({
      ...TARGET,
      fromOffset: 0,
      onBatch: async ({ records }) => {
        await blocked;
        seen.push(...records.map(({ offset }) => offset));
      },
    });
    await append(stream, 'blocks');
    for (let round = 0; round < 20; round++)
      await stream.append(
        TARGET,
        Array.from({ length: 1000 }, (_, at) => recordOf(`${at}`)),
      );
    unblock();
    await waitFor(() => seen.length === 20_001);
    await append(stream, 'live again');
    await waitFor(() => seen.length === 20_002);
    expect(seen).toEqual(Array.from({ length: 20_002 }, (_, at) => at));
  });

  it('may stop out of their own batch', async () => {
    let batches = 0;
    const follow = await stream.follow({
      ...TARGET,
      fromOffset: 0,
      onBatch: () => {
        batches++;
        return follow.stop();
      },
    });
    await append(stream, 'one');
    await waitFor(() => batches === 1);
    await follow.stop();
    await append(stream, 'two');
    await stream.close();
    expect(batches).toBe(1);
  });

  it('are waited for when the log is closed', async () => {
    const { promise: blocked, resolve: unblock } = Promise.withResolvers<void>();
    const ended: string[] = [];
    let running = false;
    await stream.consume({
      group: 'g',
      topics: ['doc'],
      startOffset: async () => 0,
      onBatch: async ({ nextOffset }) => {
        running = true;
        await blocked;
        ended.push('batch');
        return nextOffset;
      },
    });
    await append(stream, 'one');
    await waitFor(() => running);
    const closed = stream.close().then(() => ended.push('close'));
    unblock();
    await closed;
    expect(ended).toEqual(['batch', 'close']);
  });

  it('cannot ask for a partition that the topic does not have', async () => {
    const nowhere = { topic: 'doc', partition: 2 };
    await expect(stream.append(nowhere, [recordOf('x')])).rejects.toMatchObject({ type: 'BAD_INPUT' });
    await expect(stream.endOffset(nowhere)).rejects.toMatchObject({ type: 'BAD_INPUT' });
    const follow = stream.follow({ ...nowhere, fromOffset: 0, onBatch: () => undefined });
    await expect(follow).rejects.toMatchObject({ type: 'BAD_INPUT' });
    const errors: unknown[] = [];
    await stream.follow({
      topic: 'later',
      partition: 5,
      fromOffset: 0,
      onBatch: () => undefined,
      onError: (error, { retrying }) => errors.push({ error, retrying }),
    });
    await stream.ensureTopics([{ ...SPEC, topic: 'later' }]);
    expect(errors).toEqual([{ error: expect.objectContaining({ type: 'BAD_INPUT' }), retrying: false }]);
  });
});

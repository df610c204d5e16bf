import { afterEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const BIG = { roomId: 'big', docId: 'a' };
const OTHER = { roomId: 'other', docId: 'a' };
const JOINERS = 10;

describe('a large document that many join at once', () => {
  it('reaches all of them, with what is typed meanwhile, and another room goes on', async () => {
    const log = await openLog();
    const { url } = await startGateway(log);
    const [writer, ann, bob] = [
      await RawClient.connect(url),
      await RawClient.connect(url),
      await RawClient.connect(url),
    ];
    await writer.join(BIG);
    await ann.join(OTHER);
    await bob.join(OTHER);
    const text = 'abcdefghij'.repeat(100_000);
    writer.type(BIG, text);
    await waitFor(() => writer.isAcked(BIG, 1), { timeoutMs: 20_000 });
    const joiners = await Promise.all(Array.from({ length: JOINERS }, () => RawClient.connect(url)));
    const answers = Promise.all(joiners.map((joiner) => joiner.join(BIG)));
    let typed = '';
    await waitFor(
      () => {
        typed += '.';
        ann.type(OTHER, '.');
        writer.type(BIG, '!');
        return joiners.every((joiner) => joiner.states(BIG).length > 0);
      },
      { timeoutMs: 60_000 },
    );
    expect((await answers).every(({ stateBytes }) => stateBytes > text.length)).toBe(true);
    await waitFor(() => joiners.every((joiner) => joiner.text(BIG) === writer.text(BIG)), {
      timeoutMs: 30_000,
    });
    await waitFor(() => bob.text(OTHER) === typed, { timeoutMs: 30_000 });
    expect(joiners.map((joiner) => joiner.states(BIG).length)).toEqual(Array(JOINERS).fill(1));
  });
});

import { afterEach, expect, it } from '@jest/globals';
import { AppError } from '../../../lib/errors.ts';
import { silentLogger, type Logger } from '../../../lib/log.ts';
import { waitFor } from '../../support/wait.ts';
import { FaultyStream } from './faulty-stream.ts';
import { cleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';

afterEach(cleanUp);

const A = { roomId: 'room', docId: 'a' };

it('resumes that are postponed are told once, and once when they have been done', async () => {
  const log = await openLog();
  const faulty = new FaultyStream(log.stream);
  const lines: { phrase: string; fields: Record<string, unknown> }[] = [];
  const warn = (fields: Record<string, unknown>, phrase: string) => void lines.push({ phrase, fields });
  const logger: Logger = { ...silentLogger, warn, child: () => logger };
  let isAway = false;
  let refused = 0;
  const { url } = await startGateway(log, {
    stream: faulty.port,
    logger,
    sync: {
      async join(request) {
        if (!isAway) return log.sync.join(request);
        refused++;
        throw new AppError('STORE_UNAVAILABLE');
      },
    },
  });
  const clients = [await RawClient.connect(url), await RawClient.connect(url), await RawClient.connect(url)];
  const told = () => lines.filter(({ phrase }) => phrase.includes('postponed'));
  for (const client of clients) await client.join(A);
  isAway = true;
  await faulty.breakFollows(new AppError('STREAM_OFFSET_OUT_OF_RANGE'));
  await waitFor(() => refused > clients.length, { what: 'each is tried again' });
  expect(told().map(({ phrase }) => phrase)).toEqual(['resume postponed']);
  clients.pop()!.socket.disconnect();
  isAway = false;
  await waitFor(() => told().length > 1, { what: 'the end is told' });
  expect(told()[1]!.phrase).toBe('no resume is postponed any more');
  expect(told()[1]!.fields.failures).toBe(refused);
  await waitFor(() => clients.every((client) => client.states(A).at(-1)!.join === 0));
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { openKafkaJs } from '../kafka/support/kafka-harness.ts';
import { Browser } from '../support/browser.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { waitFor } from '../support/wait.ts';

jest.setTimeout(900_000);

const NAMESPACE = `sealed-${randomBytes(4).toString('hex')}`;
const brokers = process.env.KAFKA_BROKERS?.split(',') ?? [];

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTestCluster({
    env: {
      AUTH: 'accounts',
      YKAFKA_NAMESPACE: NAMESPACE,
      YKAFKA_LOCAL_SIGN_IN: 'yes',
      YKAFKA_OPEN_TO_ALL: 'yes',
      YKAFKA_TRANSPORT_SECRET: randomBytes(32).toString('hex'),
    },
  });
});
afterAll(() => cluster?.stop());

/** Everything that lies in the topics of the transporter. */
async function transported(): Promise<Buffer[]> {
  const kafka = openKafkaJs(brokers, 'reader');
  const admin = kafka.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.includes(NAMESPACE));
  let expected = 0;
  for (const topic of topics)
    for (const { low, high } of await admin.fetchTopicOffsets(topic)) expected += Number(high) - Number(low);
  await admin.disconnect();
  const values: Buffer[] = [];
  const consumer = kafka.consumer({ groupId: `reader-${randomBytes(4).toString('hex')}` });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void values.push(message.value!) });
  await waitFor(() => values.length >= expected, { timeoutMs: 60_000, what: 'all has been read' });
  await consumer.disconnect();
  return values;
}

it('services of a cluster with a secret work together, and Kafka learns none of their words', async () => {
  const [here, there] = cluster.urls as [string, string];
  const browser = new Browser();
  const begun = await browser.request(`${here}/api/auth/local`);
  const state = new URL(begun.headers.get('location')!).searchParams.get('state')!;
  await browser.request(
    `${here}/api/auth/local/callback?${new URLSearchParams({ state, name: 'Ada Secret' })}`,
  );
  const init = { method: 'POST', headers: { origin: here } };
  const { text } = await browser.request(`${here}/api/auth/refresh`, init);
  const { accessToken } = JSON.parse(text) as { accessToken: string };
  const authorization = `Bearer ${accessToken}`;
  const me = await fetch(`${there}/api/auth/me`, { headers: { authorization } });
  expect(await me.json()).toMatchObject({ name: 'Ada Secret' });

  const values = await transported();
  expect(values.length).toBeGreaterThan(20);
  const words = [state, ...browser.cookiesGiven, accessToken, 'Ada Secret', 'auth.sessions.refresh'];
  expect(words.length).toBeGreaterThan(5);
  for (const word of words) expect(values.filter((value) => value.includes(word))).toEqual([]);
  expect(cluster.complaints).toEqual([]);
});

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { TypingRooms } from '../support/recording/typing-rooms.ts';
import { ThreeBrokers } from '../support/three-brokers.ts';
import { waitFor } from '../support/wait.ts';

// Brokers that die, hang and come back; every wait inside has a deadline of its own.
jest.setTimeout(900_000);

const APPEND_TIMEOUT_MS = 5_000;
/** On a busy machine timers come late, and a nack waits in the outbox like everything else. */
const LATE_MS = 5_000;

describe('three brokers, three copies, two of them in sync', () => {
  let three: ThreeBrokers;

  beforeAll(async () => {
    three = await ThreeBrokers.start({ YKAFKA_APPEND_TIMEOUT_MS: String(APPEND_TIMEOUT_MS) });
  });

  afterAll(() => three?.stop());

  /** Everybody is told in time what is not known durable, and keeps it; no process ends. */
  async function expectNacksInTime(people: TypingRooms): Promise<void> {
    const { clients } = people;
    await waitFor(() => clients.every(({ nacks }) => nacks.length > 0), {
      timeoutMs: 6 * APPEND_TIMEOUT_MS + LATE_MS,
      what: 'every client is told that its updates are not known durable',
    });
    expect(people.nacks.filter(({ permanent }) => permanent)).toEqual([]);
    expect(Math.max(...people.nacks.map(({ afterMs }) => afterMs))).toBeLessThan(APPEND_TIMEOUT_MS + LATE_MS);
    expect(clients.every(({ hasUnacked }) => hasUnacked)).toBe(true);
    expect([...three.cluster.processes.values()].every(({ isRunning }) => isRunning)).toBe(true);
  }

  async function expectNothingLost(people: TypingRooms, rooms: readonly string[]): Promise<void> {
    const { verdict, ackedUpdates } = await three.judge(people, rooms);
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ lost: 0, quarantined: 0, acked: ackedUpdates });
    expect(people.clients.flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(three.cluster.complaints.filter((line) => line.includes('died'))).toEqual([]);
  }

  it('lose nothing that was acked when the leader of a busy partition dies, and then a second broker', async () => {
    const rooms = ['busy', 'other', 'third'];
    const { kafka } = three;
    const people = new TypingRooms({ urls: three.cluster.urls, rooms, clientsOfARoom: 3 });
    try {
      await people.start();
      await people.untilAcked(20, 'all type');

      const first = await three.leaderOf('busy');
      await kafka.node(first).kill('SIGKILL');
      await people.untilAcked(50, 'acks come without the first broker');

      const second = await three.leaderOf('busy', first);
      for (const client of people.clients) client.nacks.length = 0;
      await kafka.node(second).kill('SIGKILL');
      await expectNacksInTime(people);

      await kafka.node(second).restart();
      await people.untilAcked(20, 'acks come again with two brokers');
      await kafka.node(first).restart();
      await people.untilAcked(20, 'acks come with three brokers');
      await expectNothingLost(people, rooms);
    } finally {
      people.close();
    }
  });

  it('go on while one of them hangs, whichever it is; and after two have hung', async () => {
    const rooms = ['frozen', 'cold', 'cool'];
    const { kafka } = three;
    const people = new TypingRooms({ urls: three.cluster.urls, rooms, clientsOfARoom: 3 });
    const signal = (nodeIds: readonly number[], name: 'SIGSTOP' | 'SIGCONT') =>
      Promise.all(nodeIds.map((nodeId) => kafka.node(nodeId).kill(name)));
    try {
      await people.start();
      await people.untilAcked(20, 'all type');
      const first = await three.leaderOf('frozen');
      for (const nodeId of [first, ...[1, 2, 3].filter((other) => other !== first)]) {
        await signal([nodeId], 'SIGSTOP');
        try {
          await people.untilAcked(100, `acks come while ${nodeId} hangs`);
          // They are asked for over the transporter, whose topics this broker leads a part of.
          await people.untilNewcomersJoined(`new${nodeId}`, `people join while ${nodeId} hangs`);
        } finally {
          await signal([nodeId], 'SIGCONT');
        }
        await people.untilAcked(20, `acks come after ${nodeId} hung`);
      }

      const two = [1, 2, 3].filter((other) => other !== first);
      for (const client of people.clients) client.nacks.length = 0;
      await signal(two, 'SIGSTOP');
      try {
        await expectNacksInTime(people);
      } finally {
        await signal(two, 'SIGCONT');
      }
      await people.untilAcked(20, 'acks come after two have hung');
      await people.untilNewcomersJoined('late', 'people join after two have hung');
      await expectNothingLost(people, rooms);
      expect(people.slowestAnswerMs).toBeLessThan(APPEND_TIMEOUT_MS + LATE_MS);
    } finally {
      people.close();
    }
  });
});

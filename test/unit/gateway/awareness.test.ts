import { afterEach, describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness';
import {
  createMetadata,
  encodeAwarenessPayload,
  encodeClientEntries,
  tryDecodeAwareness,
  tryDecodeEnvelope,
  type DocumentAddress,
} from '../../../lib/protocol/index.ts';
import { waitFor } from '../../support/wait.ts';
import { cleanUp, onCleanUp, openLog, startGateway } from './harness.ts';
import { RawClient } from './raw-client.ts';
import { ForwardClock } from './steered-clock.ts';

afterEach(cleanUp);

/** Sooner than a client says by itself again what it shows, or forgets what it has not heard. */
const AT_ONCE = { timeoutMs: 12_000 };

const A = { roomId: 'room', docId: 'a' };
const B = { roomId: 'room', docId: 'b' };

/** A client with the awareness of y-protocols on one document. */
class Person {
  readonly client: RawClient;
  readonly awareness: Awareness;
  #read = 0;

  constructor(client: RawClient, name: string) {
    this.client = client;
    this.awareness = new Awareness(new Y.Doc());
    this.awareness.setLocalState({ name });
    onCleanUp(async () => this.awareness.destroy());
  }

  say(address: DocumentAddress = A, clients = [this.awareness.clientID]): void {
    const payload = encodeAwarenessPayload(encodeAwarenessUpdate(this.awareness, clients));
    this.client.sendFrame(encodeClientEntries([this.client.envelope(address, payload)]));
  }

  /** Names of those that it sees. */
  names(): string[] {
    for (const seen of this.client.seen.slice(this.#read)) {
      for (const bytes of seen.kind === 'ephemeral' ? seen.envelopes : []) {
        const message = tryDecodeEnvelope(bytes);
        const update = message.ok && tryDecodeAwareness(message.value.content);
        if (update && update.ok) applyAwarenessUpdate(this.awareness, update.value, 'remote');
      }
    }
    this.#read = this.client.seen.length;
    return [...this.awareness.getStates().values()].map((state) => String(state.name)).sort();
  }
}

async function person(url: string, name: string): Promise<Person> {
  const someone = new Person(await RawClient.connect(url), name);
  await someone.client.join(A);
  someone.say();
  return someone;
}

describe('awareness', () => {
  it('everybody sees everybody, at every gateway, a joiner as well; who goes is gone at once', async () => {
    const log = await openLog();
    const [one, two] = [await startGateway(log), await startGateway(log)];
    const ann = await person(one.url, 'ann');
    const bob = await person(one.url, 'bob');
    const carol = await person(two.url, 'carol');
    for (const each of [ann, bob, carol])
      await waitFor(() => each.names().join() === 'ann,bob,carol', AT_ONCE);
    bob.client.socket.disconnect();
    for (const each of [ann, carol]) await waitFor(() => each.names().join() === 'ann,carol', AT_ONCE);
    await carol.client.leave(A);
    await waitFor(() => ann.names().join() === 'ann');
  });

  it('enters no doc topic, and keeps to its document', async () => {
    const log = await openLog();
    const { url } = await startGateway(log);
    const ann = await person(url, 'ann');
    const bob = new Person(await RawClient.connect(url), 'bob');
    await bob.client.join(B);
    bob.say(B);
    ann.awareness.setLocalState({ name: 'ann again' });
    ann.say();
    const carol = await person(url, 'carol');
    await waitFor(() => carol.names().join() === 'ann again,carol');
    expect(bob.names()).toEqual(['bob']);
    const target = log.topics.target('doc', { tenantId: 'default', roomId: 'room' });
    expect(await log.stream.endOffset(target)).toBe(0);
  });

  it('a client id belongs to the connection that brought it, until the same provider comes back', async () => {
    const { url } = await startGateway(await openLog());
    const ann = await person(url, 'ann');
    const eve = await person(url, 'eve');
    await waitFor(() => eve.names().join() === 'ann,eve');
    eve.say(A, [ann.awareness.clientID]);
    expect(await waitFor(() => eve.client.nacks()[0])).toMatchObject({ code: 'FOREIGN_AWARENESS' });
    const again = new Person(await RawClient.connect(url), 'unused');
    await again.client.join({ ...A, senderId: ann.client.senderId });
    ann.awareness.setLocalState({ name: 'ann moved' });
    const payload = encodeAwarenessPayload(encodeAwarenessUpdate(ann.awareness, [ann.awareness.clientID]));
    const metadata = createMetadata({ ...A, senderId: ann.client.senderId, version: 0 });
    again.client.sendFrame(encodeClientEntries([again.client.envelope(A, payload, metadata)]));
    await waitFor(() => eve.names().join() === 'ann moved,eve');
    ann.client.socket.disconnect();
    const carol = await person(url, 'carol');
    await waitFor(() => carol.names().join() === 'ann moved,carol,eve');
  });

  it('the people of a gateway that died are gone when it has been silent for the time-out', async () => {
    const log = await openLog();
    const clock = new ForwardClock();
    const one = await startGateway(log, { clock });
    let isDead = false;
    const mute = new Proxy(log.stream, {
      get: (target, name) => {
        if (name === 'append' && isDead) return () => Promise.resolve([0]);
        const value = target[name as keyof typeof target];
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
    const two = await startGateway(log, { stream: mute });
    const ann = await person(one.url, 'ann');
    await person(two.url, 'bob');
    await waitFor(() => ann.names().join() === 'ann,bob');
    isDead = true;
    await clock.hastenUntil(() => ann.names().join() === 'ann', 'nobody else is there');
  });
});

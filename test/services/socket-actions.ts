import * as Y from 'yjs';
import { mayOnBoard, type BoardAction, type BoardRole } from '../../lib/accounts/rules.ts';
import { decodeAwarenessUpdate, encodeAwarenessUpdate } from '../../lib/protocol/awareness.ts';
import { splitFrame } from '../../lib/protocol/chunks.ts';
import { tryDecodeAwareness } from '../../lib/protocol/envelope.ts';
import {
  encodeAwarenessPayload,
  encodeClientEntries,
  encodeSyncPayload,
  SyncMessageType,
  tryDecodeEnvelope,
  type DocumentAddress,
} from '../../lib/protocol/index.ts';
import { ProtocolMessageType } from '../../lib/protocol/message-types.ts';
import { waitFor } from '../support/wait.ts';
import type { RawClient } from '../unit/gateway/raw-client.ts';

/** Somebody at the door of a board, and one of its owners who watches it. */
export interface Scene {
  client: RawClient;
  address: DocumentAddress;
  /** A subdocument of it. */
  part: DocumentAddress;
  /** One that a rule of the board lets nobody but its owners change. */
  forOwners: DocumentAddress;
  witness: RawClient;
}

/** What a socket can ask for. Each answers `yes` when it was done, else the code of the refusal. */
export interface SocketAction {
  title: string;
  may(role: BoardRole | undefined): boolean;
  /** To who may not although the board may be read. */
  refusal: string;
  /** To a stranger; NOT_JOINED when it is left out. */
  toStrangers?: string;
  run(scene: Scene): Promise<string>;
}

export const WITNESS_CLIENT_ID = 11;
export const WITNESS_STATE = JSON.stringify({ name: 'I' });
/** Small enough that every update has some of them. */
const CHUNK_BYTES = 120;

let words = 0;
export const nextNumber = () => ++words;

/** What this client is told next beside what it has been told already: a refusal, or `yes` when `isDone` comes first. */
async function outcome(client: RawClient, act: () => void, isDone: () => boolean): Promise<string> {
  const before = client.nacks().length;
  act();
  await waitFor(() => isDone() || client.nacks().length > before, { what: 'an answer' });
  return client.nacks()[before]?.code ?? 'yes';
}

const payloadFrame = ({ client, address }: Scene, payload: Uint8Array, version = 0) =>
  encodeClientEntries([client.envelope(address, payload, { version })]);

interface Writing {
  at?: (scene: Scene) => DocumentAddress;
  type?: SyncMessageType;
  /** Of a frame; what is larger goes in chunks. */
  maxBytes?: number;
}

/** An update, by one of the messages that carry one; done when the witness has it. */
function write(scene: Scene, { at = (own) => own.address, type, maxBytes = Infinity }: Writing = {}) {
  const { client, witness } = scene;
  const address = at(scene);
  const word = `<${nextNumber()}>`;
  const payload = encodeSyncPayload(type ?? SyncMessageType.Update, client.edit(address, word));
  const frame = payloadFrame({ ...scene, address }, payload, client.nextVersion(address));
  const parts = [...splitFrame(frame, 1_000_000 + words, maxBytes)];
  if (maxBytes < Infinity && parts.length < 2) throw new Error('it goes in one piece');
  return outcome(
    client,
    () => parts.forEach((part) => client.socket.emit('protocol-message', Buffer.from(part))),
    () => witness.text(address).includes(word),
  );
}

/** Whatever is sent and answered by nothing: done when a question that follows has been answered. */
async function silent(scene: Scene, frame: Uint8Array): Promise<string> {
  const { client, address } = scene;
  const nacks = client.nacks().length;
  client.sendFrame(frame);
  // In the order of arrival; leaving is answered to everybody.
  await client.leave(address);
  const code = client.nacks()[nacks]?.code ?? 'yes';
  await client.tryJoin(address);
  return code;
}

export function awareness(clientId: number, clock: number, state: object | null): Uint8Array {
  return encodeAwarenessPayload(encodeAwarenessUpdate([{ clientId, clock, state: JSON.stringify(state) }]));
}

/** What a client has been told of the state of a client id, in order; JSON. */
export function toldOf({ seen }: RawClient, clientId: number): string[] {
  return seen
    .flatMap((each) => (each.kind === 'ephemeral' ? each.envelopes : []))
    .flatMap((envelope) => {
      const message = tryDecodeEnvelope(envelope);
      if (!message.ok || message.value.type !== ProtocolMessageType.Awareness) return [];
      const update = tryDecodeAwareness(message.value.content);
      const states = update.ok ? decodeAwarenessUpdate(update.value) : undefined;
      return states?.ok ? states.value : [];
    })
    .filter((state) => state.clientId === clientId)
    .map(({ state }) => state);
}

const emptyStep2 = () => encodeSyncPayload(SyncMessageType.Step2, Y.encodeStateAsUpdate(new Y.Doc()));

const by = (rule: BoardAction) => (role: BoardRole | undefined) => mayOnBoard(role, rule);
const nobody = () => false;
const NEVER = { refusal: 'never' } as const;

export const ACTIONS: readonly SocketAction[] = [
  {
    title: 'sees the document',
    may: by('board.read'),
    ...NEVER,
    run: (scene) => {
      const question = encodeSyncPayload(SyncMessageType.Step1, Y.encodeStateVector(new Y.Doc()));
      const states = scene.client.states(scene.address).length;
      return outcome(
        scene.client,
        () => scene.client.sendFrame(payloadFrame(scene, question)),
        () => scene.client.states(scene.address).length > states,
      );
    },
  },
  {
    title: 'writes by an update',
    may: by('board.write'),
    refusal: 'READ_ONLY',
    run: (scene) => write(scene),
  },
  {
    title: 'writes by an update in chunks',
    may: by('board.write'),
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, { maxBytes: CHUNK_BYTES }),
  },
  {
    title: 'writes by an answer to a question of sync',
    may: by('board.write'),
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, { type: SyncMessageType.Step2 }),
  },
  {
    title: 'answers a question of sync with nothing',
    may: by('board.read'),
    ...NEVER,
    run: (scene) => silent(scene, payloadFrame(scene, emptyStep2(), scene.client.nextVersion(scene.address))),
  },
  {
    title: 'sees a subdocument',
    may: by('board.read'),
    ...NEVER,
    toStrangers: 'PERMISSION_DENIED',
    run: ({ client, part }) => joined(client, part),
  },
  {
    title: 'writes to a subdocument',
    may: by('board.write'),
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, { at: ({ part }) => part }),
  },
  {
    title: 'sees a document for owners to change',
    may: by('board.read'),
    ...NEVER,
    toStrangers: 'PERMISSION_DENIED',
    run: ({ client, forOwners }) => joined(client, forOwners),
  },
  {
    title: 'writes to a document for owners to change',
    may: (role) => role === 'owner',
    refusal: 'READ_ONLY',
    run: (scene) => write(scene, { at: ({ forOwners }) => forOwners }),
  },
  {
    title: 'asks for the cursors of the others',
    may: by('board.read'),
    ...NEVER,
    run: (scene) => {
      const told = toldOf(scene.client, WITNESS_CLIENT_ID).length;
      const question = Uint8Array.of(ProtocolMessageType.QueryAwareness);
      return outcome(
        scene.client,
        () => scene.client.sendFrame(payloadFrame(scene, question)),
        () => toldOf(scene.client, WITNESS_CLIENT_ID).length > told,
      );
    },
  },
  {
    title: 'shows a cursor of her own',
    may: by('board.read'),
    ...NEVER,
    run: (scene) => silent(scene, payloadFrame(scene, awareness(1_000 + nextNumber(), 1, { name: 'me' }))),
  },
  {
    title: 'shows a cursor as somebody else',
    may: nobody,
    refusal: 'FOREIGN_AWARENESS',
    run: (scene) => silent(scene, payloadFrame(scene, awareness(WITNESS_CLIENT_ID, 900, { name: 'you' }))),
  },
  {
    title: 'takes somebody else away',
    may: nobody,
    refusal: 'FOREIGN_AWARENESS',
    run: (scene) => silent(scene, payloadFrame(scene, awareness(WITNESS_CLIENT_ID, 901, null))),
  },
  {
    title: 'writes a record of control',
    may: nobody,
    refusal: 'BAD_MESSAGE_TYPE',
    run: (scene) => silent(scene, payloadFrame(scene, Uint8Array.of(ProtocolMessageType.Control, 1, 2, 3))),
  },
];

/** Joins, and has the state; or the code of the refusal. */
export async function joined(client: RawClient, address: DocumentAddress): Promise<string> {
  const answer = await client.tryJoin(address);
  if (answer.ok) await waitFor(() => client.states(address).length > 0, { what: 'the state' });
  return answer.ok ? 'yes' : answer.code;
}

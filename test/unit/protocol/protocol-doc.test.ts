import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { CONFIG_SCHEMA } from '../../../lib/config.ts';
import {
  CLOSE_CODES,
  createMetadata,
  decodeClientFrame,
  decodeServerFrame,
  DEFAULT_LIMITS,
  encodeAcks,
  encodeClientEntries,
  encodeEntries,
  encodeKafkaEnvelope,
  encodeState,
  encodeSyncPayload,
  FrameKind,
  MAX_ACKS_PER_FRAME,
  MAX_APPENDED_RANGES,
  MAX_AWARENESS_STATES,
  NACK_CODES,
  SERVER_KEYS,
  SocketEvent,
  SyncMessageType,
} from '../../../lib/protocol/index.ts';
import { hex, toHex } from '../../support/hex.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

const sections = page.split(/^## /m);

function section(title: string): string {
  const found = sections.filter((text) => text.startsWith(title));
  if (found.length !== 1) throw new Error(`${found.length} sections begin with ${title}`);
  return found[0]!;
}

/** The rows of the tables in a text, cells without backticks. */
function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|\s*-/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

/** The bytes of a block: the hex pairs at the beginning of each line. */
function block(name: string): Uint8Array {
  const found = new RegExp(`^\`\`\`hex ${name}\\n([^]*?)^\`\`\``, 'm').exec(page);
  if (!found) throw new Error(`The page has no block ${name}`);
  const lines = found[1]!.trim().split('\n');
  return hex(lines.map((line) => /^(?:[0-9a-f]{2}(?: |$))+/.exec(line)?.[0] ?? 'bad').join(''));
}

const tableOf = (codes: Record<string, { permanent: boolean; message: string }>) =>
  Object.entries(codes).map(([code, { permanent, message }]) => [
    code,
    permanent ? 'permanent' : 'transient',
    message,
  ]);

describe('docs/protocol.md', () => {
  it('lists every nack code and close code with its kind and message, and no other', () => {
    const [nacks, closes] = section('12.').split('`protocol-close`:');
    expect(rows(nacks!).slice(1)).toEqual(tableOf(NACK_CODES));
    expect(rows(closes!).slice(1)).toEqual(tableOf(CLOSE_CODES));
  });

  it('names the frame kinds, the events and the keys of the server', () => {
    const frames = section('5.');
    for (const kind of Object.values(FrameKind))
      expect(frames).toMatch(new RegExp(`^${kind} \\w+ +Uint8 ${kind},|^${kind} chunk`, 'm'));
    const events = rows(section('2.')).map(([event]) => event);
    for (const event of Object.values(SocketEvent)) expect(events).toContain(event);
    const keys = section('3.').split('belong to the server')[0]!.split('\n').at(-1)!;
    for (const key of [...SERVER_KEYS, 'timestamp']) expect(keys).toContain(`\`${key}\``);
  });

  it('states the limits that the code has', () => {
    const limits = rows(section('13.'))
      .slice(1)
      .map((cells) => cells.join(' '));
    const stated = (what: string) => limits.find((row) => row.startsWith(what))?.replaceAll(',', '');
    expect(stated('metadata')).toContain(` ${DEFAULT_LIMITS.maxMetadataBytes} bytes`);
    expect(stated('an id')).toContain(` ${DEFAULT_LIMITS.maxIdBytes} bytes`);
    expect(stated('one Yjs update')).toContain(` ${DEFAULT_LIMITS.maxUpdateBytes} bytes`);
    expect(stated('one frame')).toContain(` ${DEFAULT_LIMITS.maxFrameBytes} bytes`);
    expect(stated('documents')).toContain(` ${DEFAULT_LIMITS.maxDocumentsPerSocket} `);
    expect(stated('unacked')).toContain(` ${CONFIG_SCHEMA.maxUnacked.default} `);
    const variables: string[] = Object.values(CONFIG_SCHEMA).map(({ env }) => env);
    for (const [name] of page.matchAll(/YKAFKA_\w+/g)) expect(variables).toContain(name);
    expect(section('5.')).toContain(`At most ${MAX_ACKS_PER_FRAME} in a frame`);
    expect(section('5.')).toContain(`the highest ${MAX_APPENDED_RANGES} ranges`);
    expect(section('11.')).toContain(`at most ${MAX_AWARENESS_STATES} states`);
  });

  it('gives nack messages only codes that exist', () => {
    const known = new Set<string>([...Object.keys(NACK_CODES), ...Object.keys(CLOSE_CODES)]);
    const named = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code!);
    for (const code of named) if (!code.startsWith('YKAFKA_')) expect(known).toContain(code);
  });
});

describe('the worked example', () => {
  const position = { generation: 1, epoch: 1, partition: 2, offset: 300 };
  const update = block('yjs-update');
  const sent = { roomId: 'r', docId: 'd', senderId: 's', version: 1, timestamp: 0, generation: 1 };
  const payload = encodeSyncPayload(SyncMessageType.Update, update);

  it('is what Yjs emits', () => {
    const doc = new Y.Doc({ guid: 'x' });
    doc.clientID = 1;
    const updates: Uint8Array[] = [];
    doc.on('update', (emitted: Uint8Array) => updates.push(emitted));
    doc.getText('t').insert(0, 'a');
    expect(updates.map(toHex)).toEqual([toHex(update)]);
  });

  it('is what a client sends', () => {
    const envelope = encodeKafkaEnvelope(createMetadata(sent), payload);
    expect(toHex(block('client-frame'))).toBe(toHex(encodeClientEntries([envelope])));
    expect(decodeClientFrame(block('client-frame')).ok).toBe(true);
  });

  it('is what the server answers and sends on', () => {
    const metadata = createMetadata({ ...sent, timestamp: 1_795_000_000_000, tenantId: 'default' });
    const stamped = { position, previous: 128, envelope: encodeKafkaEnvelope(metadata, payload) };
    expect(toHex(block('server-frame'))).toBe(toHex(encodeEntries([stamped])));
    const ack = encodeAcks({ roomId: 'r', docId: 'd' }, [{ version: 1, position, previous: 128 }]);
    expect(toHex(block('ack-frame'))).toBe(toHex(ack));
    const head = {
      join: 1,
      roomId: 'r',
      docId: 'd',
      position: { ...position, offset: 128 },
      kind: 'full',
    } as const;
    const state = encodeState(
      { ...head, appended: [] },
      encodeSyncPayload(SyncMessageType.Step2, hex('00 00')),
    );
    expect(toHex(block('state-frame'))).toBe(toHex(state));
    for (const name of ['server-frame', 'ack-frame', 'state-frame'])
      expect(decodeServerFrame(block(name)).ok).toBe(true);
  });
});

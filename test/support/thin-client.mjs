// A whole client, written from docs/protocol.md alone: it imports a Socket.IO client and Yjs, nothing of this project.
import { io } from 'socket.io-client';
import * as Y from 'yjs';

const CHUNK_BYTES = 256 * 1024 - 32; // the frame limit without the head of a chunk
const encodeText = (text) => new TextEncoder().encode(text);
const decodeText = (bytes) => new TextDecoder().decode(bytes);

/* ---- 1. notation ---- */

const join = (...parts) => new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
const varUint = (n) => (n < 128 ? [n] : [(n % 128) | 128, ...varUint(Math.floor(n / 128))]);
const varBytes = (bytes) => join(varUint(bytes.length), bytes);

class Reader {
  constructor(bytes) {
    Object.assign(this, { input: bytes, at: 0 });
  }
  varUint() {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = this.bytes(1)[0];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }
  bytes(count = this.input.length - this.at) {
    if (this.at + count > this.input.length) throw new Error('cut off');
    this.at += count;
    return this.input.slice(this.at - count, this.at);
  }
  varBytes = () => this.bytes(this.varUint());
  varText = () => decodeText(this.varBytes());
  place() {
    const [generation, epoch, partition, offset] = [0, 0, 0, 0].map(() => this.varUint());
    return { position: { generation, epoch, partition, offset }, previous: this.varUint() - 1 };
  }
}

/* ---- 3. the envelope, 4. payloads ---- */

function encodeEnvelope(metadata, payload) {
  const json = encodeText(JSON.stringify(metadata));
  return join([json.length & 255, json.length >> 8], json, payload);
}

function decodeEnvelope(envelope) {
  const end = 2 + envelope[0] + envelope[1] * 256;
  return { metadata: JSON.parse(decodeText(envelope.subarray(2, end))), payload: envelope.slice(end) };
}

const updateOf = (payload) => new Reader(payload.subarray(2)).varBytes(); // behind message type and inner type
const nameOf = ({ roomId, docId, subdocId }) => JSON.stringify([roomId, docId, subdocId ?? null]);

/* ---- 6. to 10.: one document ---- */

const isSameLine = (a, b) => ['generation', 'epoch', 'partition'].every((key) => a[key] === b?.[key]);
const isCovered = (position, by) => isSameLine(position, by) && position.offset <= by.offset;

class ThinDocument {
  doc = new Y.Doc();
  position; // what `doc` contains; `heard` is the highest one seen
  unacked = new Map(); // version → envelope
  acked = []; // [version, position]
  nacks = [];
  states = []; // heads of the states applied
  #version = 0;
  #join; // the join under way: 'asked', then its number
  #isLive = false;

  constructor(client, address) {
    Object.assign(this, { client, address });
    this.#watch();
  }

  join({ full = false } = {}) {
    if (this.#join !== undefined) return;
    this.#join = 'asked';
    const request = { ...this.address, senderId: this.client.senderId, heard: this.heard };
    if (!full)
      Object.assign(request, { position: this.position, stateVector: Y.encodeStateVector(this.doc) });
    this.client.socket.emit('join', request, (answer) => {
      this.#join = answer.ok ? answer.join : undefined;
      if (answer.ok) return;
      this.nacks.push(answer);
      if (!answer.permanent) setTimeout(() => this.join({ full }), answer.retryAfterMs);
    });
  }

  disconnected() {
    this.#join = undefined;
    this.#isLive = false;
  }

  onState(head, payload) {
    if (head.join !== 0 && head.join !== this.#join) return;
    const isAlone = head.join !== 0 || this.#join === undefined;
    if (head.join !== 0) this.#join = undefined;
    this.#hear(head.position);
    const isIn = (version) => head.appended.some(([from, to]) => from <= version && version <= to);
    for (const version of this.unacked.keys()) if (isIn(version)) this.#settle(version, head.position);
    if ((this.position ?? head.position).generation !== head.position.generation) this.#replace();
    Y.applyUpdate(this.doc, updateOf(payload), this);
    if (isAlone && !isCovered(head.position, this.position)) this.position = head.position;
    this.states.push(head);
    if (!this.#isLive) this.client.send(this.unacked.values());
    this.#isLive = true;
  }

  onEntry({ position, previous }, { metadata, payload }) {
    this.#hear(position);
    const isOwn = metadata.senderId === this.client.senderId && this.unacked.has(metadata.version);
    if (isOwn) this.#settle(metadata.version, position);
    const newer = position.generation - (this.position ?? position).generation;
    if (newer < 0) return;
    if (newer > 0 && payload[0] !== 4) return this.join({ full: true });
    if (newer > 0) this.#replace(position); // a barrier: the document is now empty
    if (payload[0] === 0 && !isOwn) Y.applyUpdate(this.doc, updateOf(payload), this);
    this.#move({ position, previous });
  }

  onAck(version, place) {
    this.#hear(place.position);
    if (this.unacked.has(version)) this.#settle(version, place.position);
    this.#move(place);
  }

  onNack(nack) {
    this.nacks.push(nack);
    if (nack.position) this.#hear(nack.position);
    if (nack.code === 'GENERATION_CHANGED') return this.join({ full: true });
    if (nack.permanent || !nack.version) return;
    setTimeout(() => {
      const again = [...this.unacked].filter(([version]) => version >= nack.version);
      if (this.#isLive) this.client.send(again.map(([, envelope]) => envelope));
    }, nack.retryAfterMs);
  }

  #watch() {
    this.doc.on('update', (update, origin) => {
      if (origin === this) return;
      const version = ++this.#version;
      const generation = this.position?.generation ?? 1;
      const own = { senderId: this.client.senderId, version, timestamp: Date.now(), generation };
      this.unacked.set(
        version,
        encodeEnvelope({ v: 1, ...this.address, ...own }, join([0, 2], varBytes(update))),
      );
      if (this.#isLive) this.client.send([this.unacked.get(version)]);
    });
  }

  #settle(version, position) {
    this.unacked.delete(version);
    this.acked.push([version, position]);
  }

  #hear = (position) => isCovered(position, this.heard) || (this.heard = position);

  #move({ position, previous }) {
    if (isCovered(position, this.position)) return;
    if (isSameLine(position, this.position) && previous <= this.position.offset) this.position = position;
    else this.join(); // a gap, or a log that was made again
  }

  #replace(position) {
    this.position = position;
    this.doc = new Y.Doc();
    this.unacked.clear();
    this.#watch();
  }
}

/* ---- 2. connection, 5. frames ---- */

export class ThinClient {
  senderId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex');
  documents = new Map();
  closes = [];
  #chunkId = 0;
  #chunks = [];

  constructor(url, options = {}) {
    this.socket = io(url, { auth: {}, forceNew: true, transports: ['websocket'], ...options });
    this.socket.on('connect', () => this.documents.forEach((document) => document.join()));
    this.socket.on('disconnect', () => {
      this.#chunks = [];
      this.documents.forEach((document) => document.disconnected());
    });
    this.socket.on('protocol-message', (frame) => this.#onFrame(new Uint8Array(frame)));
    this.socket.on('protocol-nack', (nack) => this.documents.get(nameOf(nack))?.onNack(nack));
    this.socket.on('protocol-close', (notice) => {
      this.closes.push(notice);
      if (notice.permanent) this.socket.disconnect();
    });
  }

  open(address) {
    const document = new ThinDocument(this, address);
    this.documents.set(nameOf(address), document);
    if (this.socket.connected) document.join();
    return document;
  }

  send(envelopes) {
    for (const envelope of envelopes) this.#sendFrame(join([1], varBytes(envelope)));
  }

  #sendFrame(frame) {
    if (frame.length <= CHUNK_BYTES) return this.socket.emit('protocol-message', frame);
    const [id, count] = [++this.#chunkId, Math.ceil(frame.length / CHUNK_BYTES)];
    for (let i = 0; i < count; i++) {
      const head = [3, ...varUint(id), ...varUint(i), ...varUint(count)];
      const part = frame.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
      this.socket.emit('protocol-message', join(head, part));
    }
  }

  #onFrame(frame) {
    const reader = new Reader(frame.subarray(1));
    if (frame[0] === 1) this.#onEntries(reader);
    if (frame[0] === 3) this.#onChunk(reader);
    if (frame[0] === 4) this.#onAcks(reader);
    if (frame[0] !== 6) return; // 5, awareness, is not shown by this client
    const head = JSON.parse(reader.varText());
    this.documents.get(nameOf(head))?.onState(head, reader.bytes());
  }

  #onEntries(reader) {
    while (reader.at < reader.input.length) {
      const place = reader.place();
      const envelope = decodeEnvelope(reader.varBytes());
      this.documents.get(nameOf(envelope.metadata))?.onEntry(place, envelope);
    }
  }

  #onAcks(reader) {
    const address = { roomId: reader.varText(), docId: reader.varText() };
    if (reader.varUint() === 1) address.subdocId = reader.varText();
    while (reader.at < reader.input.length)
      this.documents.get(nameOf(address))?.onAck(reader.varUint(), reader.place());
  }

  #onChunk(reader) {
    const [, index, count] = [0, 0, 0].map(() => reader.varUint());
    if (index === 0) this.#chunks = [];
    this.#chunks.push(reader.bytes());
    if (index === count - 1) this.#onFrame(join(...this.#chunks));
  }
}

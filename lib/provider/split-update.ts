import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';

type Struct = Y.Item | Y.GC | Y.Skip;

/** The clocks `from` to `to` (exclusive, counted from the struct's own) of a struct. */
interface Piece {
  struct: Struct;
  from: number;
  to: number;
}

/** Contiguous pieces of one client: what an update holds of it. */
interface Run {
  client: number;
  pieces: Piece[];
}

/** Client, number of structs and clock of a run; numbers of a part. */
const RUN_HEAD_BYTES = 24;
const DELETION_BYTES = 20;

/**
 * Cuts an update (V1) into several of at most `maxBytes`, which together, in any order, have its effect: by clocks,
 * within long texts and lists too. What cannot be cut (one large value) comes in a part of its own that is larger.
 * Throws for what Yjs cannot decode.
 */
export function splitUpdate(update: Uint8Array, maxBytes: number): Uint8Array[] {
  const { structs, ds } = Y.decodeUpdate(update);
  const parts = new Parts(maxBytes);
  for (const struct of structs) {
    if (struct instanceof Y.Skip) parts.endRun();
    else parts.add({ struct, from: 0, to: struct.length });
  }
  return [...parts.finish(), ...splitDeletions(ds, maxBytes)];
}

class Parts {
  readonly #maxBytes: number;
  readonly #done: Uint8Array[] = [];
  #runs: Run[] = [];
  #isRunOpen = false;
  #bytes = RUN_HEAD_BYTES;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A gap follows: within one update a client's clocks have to be contiguous. */
  endRun(): void {
    this.#isRunOpen = false;
  }

  add(whole: Piece): void {
    let rest: Piece | undefined = whole;
    while (rest) {
      const piece: Piece = rest;
      const room = this.#maxBytes - this.#bytes - RUN_HEAD_BYTES;
      const size = sizeOf(piece);
      if (size <= room) {
        this.#push(piece, size);
        return;
      }
      const at: number = this.#runs.length > 0 && room < this.#maxBytes / 2 ? piece.from : cutAt(piece, room);
      if (at > piece.from) {
        const head = { ...piece, to: at };
        this.#push(head, sizeOf(head));
        rest = { ...piece, from: at };
      } else if (this.#runs.length === 0) {
        this.#push(piece, size); // alone, and larger than it should be
        rest = undefined;
      }
      this.#close();
    }
  }

  finish(): Uint8Array[] {
    this.#close();
    return this.#done;
  }

  #push(piece: Piece, size: number): void {
    const { client } = piece.struct.id;
    let run = this.#runs.at(-1);
    if (!run || run.client !== client || !this.#isRunOpen) {
      // An update names each client once.
      if (this.#runs.some((known) => known.client === client)) this.#close();
      this.#runs.push((run = { client, pieces: [] }));
      this.#bytes += RUN_HEAD_BYTES;
      this.#isRunOpen = true;
    }
    run.pieces.push(piece);
    this.#bytes += size;
  }

  #close(): void {
    if (this.#runs.length > 0) this.#done.push(encodeRuns(this.#runs));
    this.#runs = [];
    this.#isRunOpen = false;
    this.#bytes = RUN_HEAD_BYTES;
  }
}

function encodeRuns(runs: readonly Run[]): Uint8Array {
  const encoder = new Y.UpdateEncoderV1();
  encoding.writeVarUint(encoder.restEncoder, runs.length);
  for (const { client, pieces } of runs) {
    const [first] = pieces;
    encoding.writeVarUint(encoder.restEncoder, pieces.length);
    encoder.writeClient(client);
    encoding.writeVarUint(encoder.restEncoder, first!.struct.id.clock + first!.from);
    for (const piece of pieces) writePiece(encoder, piece);
  }
  encoding.writeVarUint(encoder.restEncoder, 0); // no deletions
  return encoder.toUint8Array();
}

function writePiece(encoder: Y.UpdateEncoderV1, { struct, from, to }: Piece): void {
  if (to === struct.length) return struct.write(encoder, from);
  if (!(struct instanceof Y.Item)) return new Y.GC(struct.id, to).write(encoder, from);
  const { content } = struct;
  const head = content.copy();
  head.splice(to);
  struct.content = head;
  struct.write(encoder, from);
  struct.content = content;
}

function sizeOf(piece: Piece): number {
  const encoder = new Y.UpdateEncoderV1();
  writePiece(encoder, piece);
  return encoding.length(encoder.restEncoder);
}

/** Where to cut, so that what lies before it takes at most `room` bytes; the beginning when that is not possible. */
function cutAt({ struct, from, to }: Piece, room: number): number {
  if (!(struct instanceof Y.Item) || room <= 0) return from;
  const { content } = struct;
  if (content instanceof Y.ContentString) return from + charactersIn(content.str.slice(from, to), room);
  let low = from;
  let high = to;
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    if (sizeOf({ struct, from, to: middle }) <= room) low = middle;
    else high = middle;
  }
  return low;
}

/** Origins and lengths that stand before a text. */
const ITEM_HEAD_BYTES = 64;

/** UTF-16 units that fit, whole surrogate pairs only: Yjs would replace the halves. */
function charactersIn(text: string, room: number): number {
  if (room <= ITEM_HEAD_BYTES) return 0;
  return new TextEncoder().encodeInto(text, new Uint8Array(room - ITEM_HEAD_BYTES)).read;
}

type Deletions = ReturnType<typeof Y.decodeUpdate>['ds'];

function splitDeletions(ds: Deletions, maxBytes: number): Uint8Array[] {
  const all = [...ds.clients].flatMap(([client, items]) =>
    items.map(({ clock, len }) => ({ client, clock, len })),
  );
  const perPart = Math.max(1, Math.floor(maxBytes / DELETION_BYTES) - 2);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < all.length; at += perPart) parts.push(encodeDeletions(all.slice(at, at + perPart)));
  return parts;
}

function encodeDeletions(deletions: readonly { client: number; clock: number; len: number }[]): Uint8Array {
  const byClient = Map.groupBy(deletions, ({ client }) => client);
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, 0); // no structs
  encoding.writeVarUint(encoder, byClient.size);
  for (const [client, items] of byClient) {
    encoding.writeVarUint(encoder, client);
    encoding.writeVarUint(encoder, items.length);
    for (const { clock, len } of items) {
      encoding.writeVarUint(encoder, clock);
      encoding.writeVarUint(encoder, len);
    }
  }
  return encoding.toUint8Array(encoder);
}

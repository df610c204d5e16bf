import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';
import { AppError } from '../errors.ts';

/*
 * A V1 update, as Yjs writes it:
 *
 *   VarUint clients, { VarUint structs, VarUint client, VarUint clock, { struct }* }*
 *   VarUint clients, { VarUint client, VarUint ranges, { VarUint clock, VarUint length }* }*
 *
 * A struct's bytes depend on nothing before them, so that a run of structs of one client may be cut anywhere
 * between two of them.
 */

interface Run {
  client: number;
  clock: number;
  structs: number;
}

/**
 * The updates, in order, that together are `state`: each of about `partBytes`, none of more than `maxBytes`.
 * The same input gives the same parts. BAD_INPUT when it cannot be decoded or one struct alone is too large.
 */
export function splitState(
  state: Uint8Array,
  { partBytes, maxBytes }: { partBytes: number; maxBytes: number },
): Uint8Array[] {
  if (state.byteLength <= partBytes) return [state];
  const { structs, ds } = decode(state);
  const parts: Uint8Array[] = [];
  let part = new Part();
  for (const struct of structs) {
    if (part.bytes >= partBytes) {
      parts.push(part.finish());
      part = new Part();
    }
    part.add(struct);
  }
  const deletes = encodeDeletes(ds);
  // Deletes last: everything they speak of is there.
  if (part.bytes + deletes.byteLength > maxBytes) {
    parts.push(part.finish());
    part = new Part();
  }
  parts.push(part.finish(deletes));
  if (parts.some(({ byteLength }) => byteLength > maxBytes)) {
    throw new AppError('BAD_INPUT', {
      message: 'A single piece of the state is larger than an update may be.',
      data: { field: 'state', maxBytes },
    });
  }
  return parts;
}

function decode(state: Uint8Array) {
  try {
    return Y.decodeUpdate(state);
  } catch (cause) {
    throw new AppError('BAD_INPUT', { data: { field: 'state' }, cause });
  }
}

const NO_DELETES: Uint8Array = Uint8Array.of(0);

class Part {
  readonly #runs: Run[] = [];
  readonly #bodies: Y.UpdateEncoderV1[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(struct: Y.Item | Y.GC | Y.Skip): void {
    const { client, clock } = struct.id;
    let run = this.#runs.at(-1);
    if (run?.client !== client) {
      run = { client, clock, structs: 0 };
      this.#runs.push(run);
      this.#bodies.push(new Y.UpdateEncoderV1());
    }
    const body = this.#bodies.at(-1)!;
    const before = encoding.length(body.restEncoder);
    struct.write(body, 0);
    run.structs++;
    this.#bytes += encoding.length(body.restEncoder) - before;
  }

  finish(deletes = NO_DELETES): Uint8Array {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, this.#runs.length);
    for (const [index, { client, clock, structs }] of this.#runs.entries()) {
      encoding.writeVarUint(encoder, structs);
      encoding.writeVarUint(encoder, client);
      encoding.writeVarUint(encoder, clock);
      encoding.writeUint8Array(encoder, encoding.toUint8Array(this.#bodies[index]!.restEncoder));
    }
    encoding.writeUint8Array(encoder, deletes);
    return encoding.toUint8Array(encoder);
  }
}

function encodeDeletes({ clients }: ReturnType<typeof Y.decodeUpdate>['ds']): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, clients.size);
  for (const [client, ranges] of clients) {
    encoding.writeVarUint(encoder, client);
    encoding.writeVarUint(encoder, ranges.length);
    for (const { clock, len } of ranges) {
      encoding.writeVarUint(encoder, clock);
      encoding.writeVarUint(encoder, len);
    }
  }
  return encoding.toUint8Array(encoder);
}

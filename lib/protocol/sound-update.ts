import * as Y from 'yjs';

/** undecodable: Yjs cannot read it. impossible: no Yjs could have written it, and there are documents it breaks. */
export type UpdateFlaw = 'undecodable' | 'impossible';

/**
 * What is wrong with an update (V1), whatever document it is for; undefined for every one that a client can make.
 * Yjs 13.6 decodes an item that refers to one of its own client which is not before it, a deletion of nothing, and
 * clocks that a number cannot hold, its own or of what it refers to. Applying them it throws, perhaps not before another
 * update has come that they waited for, and does not take back what it has done by then; or it throws whenever the
 * document is written. Of 1,003 mutated updates that it decoded and threw at, there was none of another kind that it
 * did not take into some document; one that takes the clocks of what another has collected throws there alone. Two more it applies without a word. An item of no length that
 * begins or ends what there is of its client: what somebody else types beside it refers to a clock that nobody has,
 * and stays pending everywhere but in that person's document. Deletions that overlap or go backwards: while they are
 * pending they become deletions of something else.
 */
export function findUpdateFlaw(update: Uint8Array): UpdateFlaw | undefined {
  let decoded: ReturnType<typeof Y.decodeUpdate>;
  try {
    decoded = Y.decodeUpdate(update);
  } catch {
    return 'undecodable'; // that is the answer: Yjs says by throwing that the bytes are no update
  }
  for (const struct of decoded.structs) {
    if (struct instanceof Y.Item && (refersAhead(struct) || refersBeyond(struct))) return 'impossible';
    if (isBeyond(struct.id.client, struct.id.clock + struct.length)) return 'impossible';
  }
  if (endsInNothing(decoded.structs)) return 'impossible';
  for (const [client, ranges] of decoded.ds.clients) {
    let end = 0;
    for (const { clock, len } of ranges) {
      if (clock < end || len === 0 || isBeyond(client, clock + len)) return 'impossible';
      end = clock + len;
    }
  }
  return undefined;
}

/** Yrs writes items of no length between others, for an empty text with a format: those hurt nobody. */
function endsInNothing(structs: ReturnType<typeof Y.decodeUpdate>['structs']): boolean {
  let empty: Y.ID | undefined;
  for (const { id, length, constructor } of structs) {
    if (empty && (empty.client !== id.client || empty.clock !== id.clock)) return true;
    const isEmpty = length === 0 && constructor !== Y.Skip;
    if (isEmpty && id.clock === 0) return true;
    empty = isEmpty ? id : undefined;
  }
  return empty !== undefined;
}

/**
 * What waits is kept by Yjs in its second format, as twice the difference to the clock before it: above 2^52 it writes
 * what it cannot read any more, and the document with it. Nobody types so much.
 */
const MAX_CLOCK = 2 ** 50;

function refersBeyond({ origin, rightOrigin, parent }: Y.Item): boolean {
  return (
    (origin !== null && isBeyond(origin.client, origin.clock)) ||
    (rightOrigin !== null && isBeyond(rightOrigin.client, rightOrigin.clock)) ||
    (parent instanceof Y.ID && isBeyond(parent.client, parent.clock))
  );
}

const isBeyond = (client: number, clock: number): boolean =>
  clock > MAX_CLOCK || !Number.isSafeInteger(client);

function refersAhead({ id, origin, rightOrigin, parent }: Y.Item): boolean {
  return isAhead(origin, id) || isAhead(rightOrigin, id) || isAhead(parent, id);
}

/** The parent may be the name of a root type. */
function isAhead(reference: unknown, { client, clock }: Y.ID): boolean {
  return reference instanceof Y.ID && reference.client === client && reference.clock >= clock;
}

import * as Y from 'yjs';
import type { DocumentOperations } from '../protocol/index.ts';
import { ClockRanges } from './clock-ranges.ts';

interface Contents {
  insertions: ClockRanges;
  deletions: ClockRanges;
}

/** Adds what an update holds, pending or not. Throws when the update cannot be decoded. */
function addContents(update: Uint8Array, { insertions, deletions }: Contents): void {
  const { structs, ds } = Y.decodeUpdate(update);
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue; // a Skip says what is *not* in the update
    insertions.add(struct.id.client, struct.id.clock, struct.id.clock + struct.length);
  }
  for (const [client, items] of ds.clients) {
    for (const { clock, len } of items) deletions.add(client, clock, clock + len);
  }
}

const createContents = (): Contents => ({ insertions: new ClockRanges(), deletions: new ClockRanges() });

export interface ServerKnowledge {
  /** Of the server's state. */
  stateVector: Uint8Array;
  /** The state as the server sent it: its whole delete set, and what this document lacked. */
  state: Uint8Array;
  /** Updates that will be sent anyway: they are not lacking. */
  queued: readonly Uint8Array[];
}

/**
 * What the document has and the server lacks, as one update; undefined when nothing lacks. Insertions are
 * compared by clocks (pending ones too), deletions by delete sets: a state vector does not show a deletion.
 */
export function lackingUpdate(doc: DocumentOperations, server: ServerKnowledge): Uint8Array | undefined {
  const known = createContents();
  if (server.stateVector.byteLength > 0) {
    for (const [client, clock] of Y.decodeStateVector(server.stateVector)) {
      known.insertions.add(client, 0, clock);
    }
  }
  for (const update of [server.state, ...server.queued]) addContents(update, known);
  const vector = Y.encodeStateVector(known.insertions.stateVector());
  const candidate = doc.encodeStateAsUpdate(vector);
  const own = createContents();
  addContents(candidate, own);
  const isLacking = !known.insertions.covers(own.insertions) || !known.deletions.covers(own.deletions);
  return isLacking ? candidate : undefined;
}

/** One update that holds all of them. Only for updates that never had a version: the log keeps the others apart. */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  return updates.length === 1 ? updates[0]! : Y.mergeUpdates([...updates]);
}

import { effectOf, StateContents, type Effect } from './effect.ts';
import { placeOf, retryKeyOf, type AckedUpdate, type Evidence, type FinalState } from './evidence.ts';
import type { Report } from './evidence.ts';

/** Every acked update is in the state that a fresh client reads, in the rows and in the log. Returns how many are not. */
export function checkAcks(evidence: Evidence, references: Map<string, FinalState>, report: Report): number {
  const { acks, rows, log, quarantined = [] } = evidence;
  const setAside = new Set(
    quarantined.flatMap(({ document, generation, senderId, version, userId }) =>
      document === undefined || generation === undefined || senderId === undefined || version === undefined
        ? []
        : [retryKeyOf({ document, generation, senderId, version, userId })],
    ),
  );
  const stored = rows && new Set(rows.map(retryKeyOf));
  const logged = log && firstOffsets(log);
  const contents = new Map<string, StateContents>();
  let lost = 0;
  for (const ack of acks) {
    const key = retryKeyOf(ack);
    const { document, position } = ack;
    const name = `${key} at ${placeOf(position)}`;
    const before = lost;
    const lose = (kind: Parameters<Report>[0]['kind'], detail: string) => {
      lost = before + 1;
      report({ kind, document, detail });
    };
    if (logged) {
      const at = logged.get(key);
      if (!at) lose('acked-update-not-in-log', name);
      else if (at.epoch === position.epoch && at.offset > position.offset)
        report({ kind: 'ack-ahead-of-log', document, detail: `${name}, but it is at ${placeOf(at)}` });
    }
    if (setAside.has(key)) continue;
    if (stored && !stored.has(key)) lose('acked-update-not-stored', name);
    const reference = references.get(document);
    if (!reference) lose('no-fresh-state', name);
    else if (ack.generation >= reference.generation) {
      const lacking = contentsOf(reference, contents).lacks(effect(ack));
      if (lacking) lose('acked-update-lost', `${name}: ${reference.source} lacks ${lacking}`);
    }
  }
  return lost;
}

function effect({ update }: AckedUpdate): Effect {
  return update instanceof Uint8Array ? effectOf(update) : update;
}

function contentsOf(state: FinalState, known: Map<string, StateContents>): StateContents {
  let contents = known.get(state.document);
  if (!contents) known.set(state.document, (contents = new StateContents(state.state)));
  return contents;
}

function firstOffsets(log: NonNullable<Evidence['log']>) {
  const first = new Map<string, { epoch: number; partition: number; offset: number }>();
  for (const record of log) {
    if (record.kind !== 'update') continue;
    const key = retryKeyOf(record);
    const known = first.get(key);
    const isEarlier =
      !known || record.epoch < known.epoch || (record.epoch === known.epoch && record.offset < known.offset);
    if (isEarlier) first.set(key, record);
  }
  return first;
}

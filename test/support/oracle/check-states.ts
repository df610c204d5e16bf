import type { Evidence, FinalState, Report, StoredRow } from './evidence.ts';
import { areSameStates, differenceInWords, foldUpdates } from './normal-state.ts';

/** The fresh state of each document, or the first one when none is marked: the others are compared with it. */
export function referenceStates(states: readonly FinalState[]): Map<string, FinalState> {
  const references = new Map<string, FinalState>();
  for (const state of states) {
    const known = references.get(state.document);
    if (!known || (state.isFresh && !known.isFresh)) references.set(state.document, state);
  }
  return references;
}

/** Every client of a document has what a fresh one reads, and so has the fold of the stored rows. */
export function checkStates(
  { states, rows }: Evidence,
  references: Map<string, FinalState>,
  report: Report,
): void {
  for (const candidate of states) {
    const reference = references.get(candidate.document)!;
    const { document, source } = candidate;
    if (candidate === reference) continue;
    const isSameGeneration = candidate.generation === reference.generation;
    if (isSameGeneration && areSameStates(candidate.state, reference.state)) continue;
    const difference = isSameGeneration
      ? differenceInWords(candidate.state, reference.state)
      : `generation ${candidate.generation} / ${reference.generation}`;
    report({ kind: 'states-differ', document, detail: `${source} / ${reference.source}: ${difference}` });
  }
  if (rows) checkFolds(rows, references, report);
}

function checkFolds(rows: readonly StoredRow[], references: Map<string, FinalState>, report: Report): void {
  const payloads = new Map<string, StoredRow[]>();
  for (const row of rows) {
    if (!row.payload || row.generation !== references.get(row.document)?.generation) continue;
    const own = payloads.get(row.document);
    if (own) own.push(row);
    else payloads.set(row.document, [row]);
  }
  for (const [document, { state, source }] of references) {
    const own = (payloads.get(document) ?? []).sort((a, b) => a.epoch - b.epoch || a.offset - b.offset);
    const fold = foldUpdates(own.map(({ payload }) => payload!));
    if (!areSameStates(fold, state))
      report({
        kind: 'fold-differs',
        document,
        detail: `rows / ${source}: ${differenceInWords(fold, state)}`,
      });
  }
}

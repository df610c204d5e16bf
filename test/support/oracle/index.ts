import { checkAcks } from './check-acks.ts';
import { checkDeliveries } from './check-deliveries.ts';
import { checkRows } from './check-rows.ts';
import { checkStates, referenceStates } from './check-states.ts';
import type { Evidence, Verdict, Violation } from './evidence.ts';

export type * from './evidence.ts';
export { areSameStates } from './normal-state.ts';
export { effectOf, type ClockRange, type Effect } from './effect.ts';

/** Judges a run by what was seen of it: an empty list of violations means that nothing acked was lost. */
export function judge(evidence: Evidence): Verdict {
  const violations: Violation[] = [];
  const report = (violation: Violation) => void violations.push(violation);
  const references = referenceStates(evidence.states);
  const lost = checkAcks(evidence, references, report);
  checkStates(evidence, references, report);
  checkRows(evidence, report);
  checkDeliveries(evidence, report);
  return {
    violations,
    acked: evidence.acks.length,
    lost,
    quarantined: evidence.quarantined?.length ?? 0,
  };
}

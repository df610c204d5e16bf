import { MAX_STATE_VECTOR_BYTES, type DocumentAddress, type JoinRequest } from '../protocol/index.ts';
import type { JoinKind } from './join-cycle.ts';
import type { PositionTracker } from './position-tracker.ts';
import type { Replica } from './replica.ts';

interface Joining {
  readonly context: { readonly address: DocumentAddress; readonly senderId: string };
  readonly tracker: PositionTracker;
  readonly replica: Replica | undefined;
}

/** What a join of this kind says of the document: the highest position heard of always, the rest as far as it helps. */
export function createJoinRequest(kind: JoinKind, { context, tracker, replica }: Joining): JoinRequest {
  const { heard, position } = tracker;
  const stateVector = kind === 'uncut' ? undefined : replica?.stateVector();
  return {
    ...context.address,
    senderId: context.senderId,
    ...(heard ? { heard } : {}),
    ...(kind === 'resume' && position ? { position } : {}),
    ...(stateVector && stateVector.byteLength <= MAX_STATE_VECTOR_BYTES ? { stateVector } : {}),
  };
}

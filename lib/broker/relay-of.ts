import { AccessRelay } from '../accounts/access-relay.ts';
import type { Runtime } from './runtime.ts';

interface Held {
  relay: AccessRelay;
  holders: number;
}

/** What a process has recorded it relays itself, at once; the others look now and then for what a dead one has left. */
export const RELAY_POLL_MS = 5_000;
const relays = new WeakMap<Runtime, Held>();

/**
 * Tells the gateways of changes of rights, one relay for each process. Every service that changes rights holds it
 * while it runs, so that a change is told whichever other services are away. Returns how to let go of it.
 */
export function holdRelay(runtime: Runtime): () => Promise<void> {
  const held = relays.get(runtime) ?? { relay: makeRelay(runtime), holders: 0 };
  relays.set(runtime, held);
  held.holders++;
  held.relay.wake();
  let isHeld = true;
  return async () => {
    if (!isHeld) return;
    isHeld = false;
    held.holders--;
    if (held.holders > 0) return;
    if (relays.get(runtime) === held) relays.delete(runtime);
    await held.relay.stop();
  };
}

/** A change has been recorded in this process. Does nothing when nobody holds the relay. */
export function wakeRelay(runtime: Runtime): void {
  relays.get(runtime)?.relay.wake();
}

function makeRelay(runtime: Runtime): AccessRelay {
  const { topics, clock, logger } = runtime;
  return new AccessRelay({
    database: () => runtime.database(),
    stream: () => runtime.stream(),
    controlTopic: topics.controlTopic,
    clock,
    logger: logger.child({ part: 'permissions' }),
    pollMs: RELAY_POLL_MS,
  });
}

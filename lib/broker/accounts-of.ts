import { createAccounts, type Accounts } from '../accounts/accounts.ts';
import { wakeRelay } from './relay-of.ts';
import type { Runtime } from './runtime.ts';

const HOUR_MS = 3_600_000;
const opened = new WeakMap<Runtime, Promise<Accounts>>();

/** The account modules of this process, on its database; a failed opening is forgotten. */
export function accountsOf(runtime: Runtime): Promise<Accounts> {
  let accounts = opened.get(runtime);
  if (!accounts) {
    accounts = runtime.database().then((database) =>
      createAccounts({
        database,
        clock: runtime.clock,
        restoreMs: runtime.config.restoreHours * HOUR_MS,
        onRightsChanged: () => wakeRelay(runtime),
      }),
    );
    accounts.catch(() => opened.delete(runtime));
    opened.set(runtime, accounts);
  }
  return accounts;
}

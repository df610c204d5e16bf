import { isStartedByFaultSuite } from '../../lib/config.ts';
import { isAppError } from '../../lib/errors.ts';
import { failpoint, openFailpoints, type Failpoint } from '../../lib/failpoints.ts';

/** Opens its failpoints as a service process does; passes the points that its parent names and says how that went. */
openFailpoints(isStartedByFaultSuite());
process.channel!.ref(); // it has nothing else to live for

process.on('message', (message) => {
  if (typeof message !== 'string' || !message.startsWith('pass ')) return;
  try {
    failpoint(message.slice('pass '.length) as Failpoint);
    process.send!('passed');
  } catch (error) {
    process.send!(
      `${isAppError(error) && error.retryable ? 'retryable' : 'other'}: ${String((error as Error).message)}`,
    );
  }
});

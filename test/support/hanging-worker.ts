import { BroadcastChannel } from 'node:worker_threads';
import handle from '../../lib/codec/worker.ts';
import type { Work } from '../../lib/codec/work.ts';

/** Who listens to it hears when a thread begins to hang. */
const HANGING_CHANNEL = 'a codec thread hangs';

const channel = new BroadcastChannel(HANGING_CHANNEL);
channel.unref();

/** The codec's worker, but a check never ends. */
// eslint-disable-next-line import-x/no-default-export
export default function handleOrHang(work: Work): unknown {
  if (work.kind === 'check') channel.postMessage('');
  while (work.kind === 'check');
  return handle(work);
}

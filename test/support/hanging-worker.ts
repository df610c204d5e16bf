import handle from '../../lib/codec/worker.ts';
import type { Work } from '../../lib/codec/work.ts';

/** The codec's worker, but a check never ends. */
// eslint-disable-next-line import-x/no-default-export
export default function handleOrHang(work: Work): unknown {
  while (work.kind === 'check');
  return handle(work);
}

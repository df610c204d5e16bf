import * as Y from 'yjs';
import { Authors } from '../../scripts/lib/authors.ts';
import { TEXT_NAME } from '../../scripts/lib/replica.ts';
import type { Trace } from '../../scripts/lib/trace.ts';

/** Makes every transaction and hands the updates to one document in another order: every 16 of them backwards. */
export function mergeOutOfOrder(trace: Trace): string {
  const authors = new Authors(trace);
  const doc = new Y.Doc();
  let waiting: Uint8Array[] = [];
  trace.transactions.forEach((_, index) => {
    const effect = authors.make(index);
    if (effect) waiting.unshift(effect.update);
    if (waiting.length < 16 && index < trace.transactions.length - 1) return;
    for (const update of waiting) Y.applyUpdate(doc, update);
    waiting = [];
  });
  return doc.getText(TEXT_NAME).toString();
}

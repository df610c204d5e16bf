import * as Y from 'yjs';
import { tryDecodeEnvelope, tryDecodeSync } from '../../../lib/protocol/envelope.ts';
import { effectOf, StateContents, type ClockRange } from '../../support/oracle/effect.ts';
import type { ViolationKind } from '../../support/oracle/index.ts';
import type { SimClient, SimDocument } from './client.ts';
import type { Life } from './life.ts';
import type { AskedOperation } from './operator.ts';
import type { SimViolation, World } from './world.ts';

export type LifecycleViolationKind =
  | 'content-brought-back'
  | 'deleted-content-kept'
  | 'deletion-without-evidence'
  | 'deleted-document-served'
  | 'operation-done-otherwise'
  | 'replacement-incomplete';

type Report = (kind: LifecycleViolationKind | ViolationKind, detail: string) => void;

/** A document, what the log says of it, and what was asked for. */
interface Subject {
  world: World;
  document: SimDocument;
  life: Life;
  asked: AskedOperation[];
}

/** What deletions and replacements promise, beside what the oracle knows of. */
export async function checkLifecycle(world: World, fresh: SimClient): Promise<SimViolation[]> {
  if (world.schedule.kind !== 'lifecycle') return [];
  const violations: SimViolation[] = [];
  for (const [index, document] of world.documents.entries()) {
    const asked = world.operator.asked.filter((operation) => operation.document === index);
    const subject: Subject = { world, document, life: world.lifeOf(document), asked };
    const report: Report = (kind, detail) => void violations.push({ kind, document: document.key, detail });
    checkOperations(subject, report);
    checkContent(subject, report);
    checkFresh(subject, fresh, report);
    checkAcksInLog(subject, report);
    await checkRemoval(subject, report);
  }
  return violations;
}

/** Each has happened once, or was not needed; its answer says which. */
function checkOperations({ life, asked }: Subject, report: Report): void {
  for (const { key, operation, outcome } of asked) {
    const begun = life.barriers.filter((barrier) => barrier.key === key).length;
    const wanted = outcome === 'unchanged' || outcome === 'conflict' ? 0 : 1;
    if (begun !== wanted)
      report('operation-done-otherwise', `${operation} ${key} ${outcome}: ${begun} barriers`);
  }
}

/** What a page writes was in no earlier generation: nobody brings an old copy back. */
function checkContent({ life }: Subject, report: Report): void {
  const operators = new Set(life.barriers.map(({ senderId }) => senderId));
  const before: ClockRange[] = [];
  let current: ClockRange[] = [];
  let generation = 1;
  for (const { record, generation: own } of life.updates) {
    if (own > generation) {
      before.push(...current);
      current = [];
      generation = own;
    }
    const { s: sender = '' } = record.headers;
    const inserts = insertsOf(record.value);
    const old = inserts.find((range) => before.some((other) => doMeet(other, range)));
    if (old && !operators.has(sender))
      report('content-brought-back', `${sender} writes ${old.join(':')} at ${record.offset} again`);
    current.push(...inserts);
  }
}

function insertsOf(value: Uint8Array): readonly ClockRange[] {
  const envelope = tryDecodeEnvelope(value);
  const sync = envelope.ok ? tryDecodeSync(envelope.value.content) : undefined;
  return sync?.ok ? effectOf(sync.value.body).inserts : [];
}

function doMeet([client, from, to]: ClockRange, [other, otherFrom, otherTo]: ClockRange): boolean {
  return client === other && from < otherTo && otherFrom < to;
}

/** Who comes now gets nothing of a deleted document, and of a replaced one all that it was replaced by. */
function checkFresh({ document, life, asked }: Subject, fresh: SimClient, report: Report): void {
  const state = Y.encodeStateAsUpdate(fresh.doc(document));
  if (life.deleted && effectOf(state).inserts.length > 0) report('deleted-document-served', fresh.name);
  const last = life.barriers.at(-1);
  const replacement = last && asked.find(({ key }) => key === last.key)?.state;
  const lacking = replacement && new StateContents(state).lacks(effectOf(replacement));
  if (lacking) report('replacement-incomplete', `${fresh.name} lacks ${lacking} of ${last.key}`);
}

/** Also what a deletion has ended was in the log when it was acked. */
function checkAcksInLog({ world, document, life }: Subject, report: Report): void {
  const versions = new Set(life.updates.map(({ record: { headers } }) => `${headers.s} ${headers.c}`));
  for (const ack of world.acks)
    if (ack.document === document.key && !versions.has(`${ack.senderId} ${ack.version}`))
      report('acked-update-not-in-log', `${ack.senderId}#${ack.version} at ${ack.position.offset}`);
}

/** Nothing of what a deletion has ended is left, but the evidence that it took place. */
async function checkRemoval({ world, document, life }: Subject, report: Report): Promise<void> {
  const { store } = world;
  const id = world.idOf(document);
  const kept = store.keptGenerations(id).filter((generation) => generation <= life.deletedGeneration);
  if (kept.length > 0) report('deleted-content-kept', `rows or snapshots of generations ${kept.join(', ')}`);
  const { partition } = world.partitionOf(document);
  const { generations } = await store.lifecycle({ document: id, epoch: 1, partition });
  for (const barrier of life.barriers) {
    const row = generations.find(
      ({ offset, generation }) => offset === barrier.offset && generation === barrier.generation,
    );
    if (!row || (barrier.reason === 'deleted' && row.removed?.completedAtMs === undefined))
      report('deletion-without-evidence', `generation ${barrier.generation}: ${JSON.stringify(row)}`);
  }
}

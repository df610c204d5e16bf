import { Random } from '../engine/random.ts';
import type { Trouble } from '../engine/weather.ts';
import {
  cutOf,
  editOf,
  MAX_UPDATE_BYTES,
  setupOf,
  SPAN_MS,
  type Action,
  type Operation,
  type Schedule,
  type Setup,
} from './schedule.ts';

/** Below what the gateways let in, above what every other update needs. */
const MAX_RECORD_BYTES = 1_000;
const TROUBLES: readonly Trouble[] = [
  'append-lost',
  'append-fail',
  'append-late',
  'append-hang',
  'log-away',
  'follow-stall',
  'store-away',
  'store-lost',
  'store-slow',
  'calls-lost',
];
const PERSISTERS = ['persister0', 'persister1'] as const;
const OTHERS = ['gateway0', 'gateway1', 'sync0', 'sync1'] as const;

/** The schedule of a seed: 2–3 clients, 1–2 documents, 6–14 edits, 1–3 operations on documents, 1–4 faults around them. */
export function lifecycleScheduleOf(seed: number): Schedule {
  const random = new Random(seed).fork('lifecycle');
  const setup: Setup = { ...setupOf(random), snapshotUpdates: 3 };
  if (random.chance(0.2)) setup.maxRecordBytes = MAX_RECORD_BYTES;
  const actions: Action[] = [];
  for (let left = random.int(6, 14); left > 0; left--) actions.push(editOf(random, setup, actions));
  for (let left = random.int(1, 3); left > 0; left--) actions.push(...operationsOf(random, setup));
  for (let left = random.int(0, 2); left > 0; left--) actions.push(faultOf(random, setup));
  if (setup.maxRecordBytes) actions.push(...tooLarge(random, setup));
  actions.push({ atMs: random.int(1_000, SPAN_MS), kind: 'probe' });
  actions.sort((a, b) => a.atMs - b.atMs);
  return { kind: 'lifecycle', seed, setup, actions };
}

/** An operation; often another one soon behind it or at once, often the end of the process that is at it. */
function operationsOf(random: Random, setup: Setup): Action[] {
  const atMs = random.int(800, SPAN_MS);
  const first = operationOf(random, setup, random.pick(['delete', 'delete', 'replace', 'create'] as const));
  const actions: Action[] = [{ atMs, kind: 'operate', ...first }];
  if (random.chance(0.5)) {
    const operation = random.pick(['create', 'replace', 'delete'] as const);
    const next = { ...operationOf(random, setup, operation), document: first.document };
    const laterMs = random.pick([random.int(0, 20), random.int(50, 1_500)]);
    actions.push({ atMs: Math.min(SPAN_MS, atMs + laterMs), kind: 'operate', ...next });
  }
  // What is being stored or folded then comes late, perhaps behind the operation.
  if (random.chance(0.3)) {
    const target = random.pick(PERSISTERS);
    const window = { atMs: Math.max(0, atMs - random.int(0, 400)), forMs: random.int(300, 1_500) };
    actions.push({ ...window, kind: 'trouble', trouble: 'store-slow', target });
  }
  if (random.chance(0.4))
    actions.push({
      atMs: Math.min(SPAN_MS, atMs + random.int(0, 400)),
      kind: random.chance(0.7) ? 'crash' : 'freeze',
      process: PERSISTERS[first.persister]!,
      forMs: random.pick([50, 500, 5_000]),
    });
  return actions;
}

function operationOf(random: Random, setup: Setup, operation: Operation['operation']): Operation {
  const place = { document: random.int(0, setup.documents.length - 1), persister: random.int(0, 1) };
  const client = random.int(0, setup.clients - 1);
  const letters = random.pick([0, 5, 60]);
  if (operation !== 'replace') return { operation, ...place };
  // A page may hold what is too large for this log.
  const isOwn = setup.maxRecordBytes !== undefined || random.chance(0.5);
  return { operation, ...place, from: isOwn ? { letters } : { client } };
}

function faultOf(random: Random, setup: Setup): Action {
  const at = { atMs: random.int(100, SPAN_MS) };
  const client = random.int(0, setup.clients - 1);
  const luck = random.next();
  const forMs = random.int(100, 3_000);
  if (luck < 0.35) {
    const target = random.pick([...PERSISTERS, ...PERSISTERS, ...OTHERS, undefined]);
    return { ...at, kind: 'trouble', trouble: random.pick(TROUBLES), target, forMs };
  }
  if (luck < 0.5) return { ...at, kind: 'crash', process: random.pick(OTHERS), forMs };
  if (luck < 0.6) return { ...at, ...cutOf(random, client) };
  if (luck < 0.75) return { ...at, kind: 'offline', client, forMs };
  if (luck < 0.85) return { ...at, kind: 'leave', client, isKilled: random.chance(0.5), forMs };
  if (luck < 0.95) return { ...at, kind: 'trim', share: random.pick([random.next(), 1]) };
  return { ...at, kind: 'shuffle' };
}

/** The gateway lets it in, the log does not; a good one comes right behind it. */
function tooLarge(random: Random, setup: Setup): Action[] {
  const edit = { ...editOf(random, setup, []), kind: 'insert' as const };
  const length = random.int(MAX_RECORD_BYTES, MAX_UPDATE_BYTES - 200);
  return [
    { ...edit, length } as Action,
    { ...edit, length: 1, atMs: edit.atMs + random.int(1, 3) } as Action,
  ];
}

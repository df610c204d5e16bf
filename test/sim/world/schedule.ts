import { Random } from '../engine/random.ts';
import type { Trouble } from '../engine/weather.ts';

/** What a schedule does to the world, besides what chance does to every message. */
export type Action = { atMs: number } & (
  | { kind: 'insert'; client: number; document: number; length: number; place: number }
  | { kind: 'delete'; client: number; document: number; length: number; place: number }
  | { kind: 'trouble'; trouble: Trouble; target?: string | undefined; forMs: number }
  | { kind: 'crash'; process: string; forMs: number }
  | { kind: 'freeze'; process: string; forMs: number }
  | { kind: 'cut'; client: number; byClientMs: number; byServerMs: number; arrives: boolean }
  | { kind: 'offline'; client: number; forMs: number }
  | { kind: 'leave'; client: number; isKilled: boolean; forMs: number }
  | { kind: 'trim'; share: number }
  | { kind: 'break-follow'; process: string }
  | { kind: 'barrier'; document: number }
  | { kind: 'shuffle' }
  | { kind: 'probe' }
  | ({ kind: 'operate' } & Operation)
);

/** What somebody asks of a document as a whole; asked again until it is answered, perhaps of another process. */
export interface Operation {
  operation: 'delete' | 'create' | 'replace';
  document: number;
  /** Whom it is asked of first: index of a persister process, which has these operations. */
  persister: number;
  /** For replace: the state that this page has then, or else one of the operator's own with so many letters. */
  from?: { client: number } | { letters: number };
}

/**
 * faults: what happens to processes and wires. lifecycle: beside it documents are deleted, made again, replaced.
 * returns: pages come back to gateways that lag. rare: stories that chance seldom tells, most of a page that is alone at a gateway.
 */
export type ScheduleKind = 'faults' | 'lifecycle' | 'returns' | 'rare';

export interface Setup {
  clients: number;
  /** Two rooms lie in two partitions. */
  documents: readonly { roomId: string; docId: string }[];
  holeChance: number;
  ringBytes: number;
  maxQueueBytes: number;
  maxFrameBytes: number;
  maxUnacked: number;
  /** The clients' own bound; above the server's they are told off. */
  clientMaxUnacked: number;
  /** How long a client waits for the answer of a join and for an ack. */
  joinTimeoutMs: number;
  ackTimeoutMs: number;
  tailBytes: number;
  syncCacheBytes: number;
  snapshotUpdates: number;
  /** Chance that the check of an update takes its time, as in a worker thread. */
  slowCheckChance: number;
  /** The log takes no larger record, although the gateways would let it in. */
  maxRecordBytes?: number;
}

export interface Schedule {
  /** faults when it is absent. */
  kind?: ScheduleKind;
  seed: number;
  setup: Setup;
  actions: Action[];
}

export const PROCESSES = ['gateway0', 'gateway1', 'persister0', 'persister1', 'sync0', 'sync1'] as const;
/** Of the gateways; a client sends what is larger too. */
export const MAX_UPDATE_BYTES = 1_500;
/** Actions and troubles happen within this time; then all is well again. */
export const SPAN_MS = 5_000;
const DOCUMENTS = [
  { roomId: 'r0', docId: 'a' },
  { roomId: 'r0', docId: 'b' },
  { roomId: 'r1', docId: 'a' },
];

/** The schedule of a seed: 2–3 clients, 1–2 documents, 8–20 edits, 2–6 faults. */
export function scheduleOf(seed: number): Schedule {
  const random = new Random(seed).fork('schedule');
  const setup = setupOf(random);
  const actions: Action[] = [];
  for (let left = random.int(8, 20); left > 0; left--) actions.push(editOf(random, setup, actions));
  for (let left = random.int(2, 6); left > 0; left--) actions.push(...faultsOf(random, setup));
  actions.push({ atMs: random.int(1_000, SPAN_MS), kind: 'probe' });
  actions.sort((a, b) => a.atMs - b.atMs);
  return { seed, setup, actions };
}

export function setupOf(random: Random): Setup {
  const first = random.pick(DOCUMENTS);
  const second = random.pick(DOCUMENTS);
  return {
    clients: random.int(2, 3),
    documents: random.chance(0.5) || first === second ? [first] : [first, second],
    holeChance: random.pick([0, 0, 0.3]),
    ringBytes: random.pick([500, 2_000, 262_144]),
    maxQueueBytes: random.pick([900, 2_000, 4_194_304, 4_194_304]),
    maxFrameBytes: random.pick([400, 262_144, 262_144, 262_144]),
    maxUnacked: random.pick([2, 256, 256]),
    clientMaxUnacked: random.pick([2, 256, 256]),
    joinTimeoutMs: random.pick([400, 30_000]),
    ackTimeoutMs: random.pick([1_500, 20_000]),
    tailBytes: random.pick([700, 1_048_576, 1_048_576]),
    syncCacheBytes: random.pick([0, 1_048_576, 1_048_576]),
    snapshotUpdates: random.pick([3, 8]),
    slowCheckChance: random.pick([0, 0, 0.3]),
  };
}

export function editOf(random: Random, { clients, documents }: Setup, before: readonly Action[]): Action {
  const last = before.at(-1);
  return {
    // People type in bursts.
    atMs:
      last && random.chance(0.4) ? Math.min(SPAN_MS, last.atMs + random.int(0, 60)) : random.int(0, SPAN_MS),
    kind: random.chance(0.75) ? 'insert' : 'delete',
    client: random.int(0, clients - 1),
    document: random.int(0, documents.length - 1),
    length: random.int(1, 4),
    place: random.next(),
  };
}

export const TROUBLES: readonly Trouble[] = [
  'append-lost',
  'append-fail',
  'append-late',
  'append-hang',
  'append-slow',
  'log-away',
  'follow-stall',
  'follow-stall',
  'store-away',
  'store-lost',
  'store-slow',
  'calls-lost',
  'slow-client',
  'slow-client',
];

/** Most come alone; an update that is refused for good comes with a good one right behind it. */
function faultsOf(random: Random, setup: Setup): Action[] {
  if (!random.chance(0.06)) return [faultOf(random, setup)];
  const edit = editOf(random, setup, []);
  const tooLarge = { ...edit, kind: 'insert', length: 2 * MAX_UPDATE_BYTES } as Action;
  return [tooLarge, { ...edit, atMs: edit.atMs + random.int(0, 2), kind: 'insert', length: 1 } as Action];
}

function faultOf(random: Random, setup: Setup): Action {
  const at = { atMs: random.int(100, SPAN_MS) };
  const client = random.int(0, setup.clients - 1);
  const luck = random.next();
  if (luck < 0.38) return { ...at, ...troubleOf(random, client) };
  if (luck < 0.52)
    return { ...at, kind: 'crash', process: random.pick(PROCESSES), forMs: random.pick([50, 500, 3_000]) };
  if (luck < 0.6)
    return {
      ...at,
      kind: 'freeze',
      process: random.pick([...PROCESSES, `client${client}`]),
      forMs: random.pick([300, 1_500, 5_000, 7_000]),
    };
  if (luck < 0.74) return { ...at, ...cutOf(random, client) };
  if (luck < 0.8) return { ...at, kind: 'offline', client, forMs: random.int(50, 3_000) };
  if (luck < 0.84)
    return { ...at, kind: 'leave', client, isKilled: random.chance(0.5), forMs: random.int(50, 1_500) };
  if (luck < 0.88) return { ...at, kind: 'trim', share: random.pick([random.next(), 1]) };
  if (luck < 0.91) return { ...at, kind: 'break-follow', process: random.pick(['gateway0', 'gateway1']) };
  if (luck < 0.97) return { ...at, kind: 'barrier', document: random.int(0, setup.documents.length - 1) };
  return { ...at, kind: 'shuffle' };
}

function troubleOf(random: Random, client: number): Omit<Extract<Action, { kind: 'trouble' }>, 'atMs'> {
  const trouble = random.pick(TROUBLES);
  const forMs = random.int(100, 3_000);
  const targets = trouble === 'slow-client' ? [`client${client}`] : targetsOf(trouble);
  return { kind: 'trouble', trouble, target: random.pick(targets), forMs };
}

function targetsOf(trouble: Trouble): readonly (string | undefined)[] {
  const gateways = ['gateway0', 'gateway1'];
  if (trouble.startsWith('append') || trouble === 'follow-stall' || trouble === 'calls-lost')
    return [...gateways, undefined];
  if (trouble.startsWith('store')) return ['persister0', 'persister1', 'sync0', 'sync1', undefined];
  return [...PROCESSES, undefined];
}

export function cutOf(random: Random, client: number): Omit<Extract<Action, { kind: 'cut' }>, 'atMs'> {
  return {
    kind: 'cut',
    client,
    byClientMs: random.pick([0, 20, 500, 8_000]),
    byServerMs: random.pick([0, 50, 1_000, 10_000]),
    arrives: random.chance(0.5),
  };
}

import { Random } from '../engine/random.ts';
import { editOf, setupOf, SPAN_MS, type Action, type Schedule, type Setup } from './schedule.ts';

const GATEWAYS = ['gateway0', 'gateway1'] as const;

/**
 * The schedule of a seed: pages that lose their connection again and again, in the middle of joins too, and come back
 * to gateways that lag behind what the pages have heard of, while generations begin.
 */
export function returnsScheduleOf(seed: number): Schedule {
  const random = new Random(seed).fork('returns');
  const setup: Setup = {
    ...setupOf(random),
    syncCacheBytes: 1_048_576,
    maxUnacked: 256,
    clientMaxUnacked: 256,
  };
  const actions: Action[] = [];
  for (let left = random.int(8, 14); left > 0; left--) actions.push(editOf(random, setup, actions));
  for (let left = random.int(2, 4); left > 0; left--) actions.push(...returnOf(random, setup));
  if (random.chance(0.6)) actions.push(...barriersOf(random, setup));
  actions.push({ atMs: random.int(1_000, SPAN_MS), kind: 'probe' });
  actions.sort((a, b) => a.atMs - b.atMs);
  return { kind: 'returns', seed, setup, actions };
}

/** A gateway lags; a page is cut off once or twice and tries the other one, or the same. */
function returnOf(random: Random, setup: Setup): Action[] {
  const atMs = random.int(100, SPAN_MS - 800);
  const client = random.int(0, setup.clients - 1);
  const cut = (laterMs: number): Action => ({
    atMs: atMs + laterMs,
    kind: 'cut',
    client,
    byClientMs: random.pick([0, 20]),
    byServerMs: random.pick([0, 50, 1_000]),
    arrives: random.chance(0.5),
  });
  const actions: Action[] = [
    // What it has just heard of may be a generation.
    ...(random.chance(0.5) ? [barrierOf(random, setup, atMs - random.int(20, 100))] : []),
    {
      atMs: Math.max(0, atMs - random.int(0, 500)),
      kind: 'trouble',
      trouble: 'follow-stall',
      target: random.pick(GATEWAYS),
      forMs: random.int(1_500, 4_000),
    },
    cut(0),
  ];
  if (random.chance(0.6)) actions.push(cut(random.int(200, 800)));
  if (random.chance(0.3))
    actions.push({ atMs, kind: 'trouble', trouble: 'calls-lost', target: random.pick(GATEWAYS), forMs: 500 });
  return actions;
}

/** Generations begin, now and then in close order. */
function barriersOf(random: Random, setup: Setup): Action[] {
  const first = barrierOf(random, setup, random.int(200, SPAN_MS - 500));
  return random.chance(0.3) ? [first, { ...first, atMs: first.atMs + random.int(0, 400) }] : [first];
}

function barrierOf(random: Random, setup: Setup, atMs: number): Action {
  return { atMs, kind: 'barrier', document: random.int(0, setup.documents.length - 1) };
}

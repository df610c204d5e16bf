import { Random } from '../engine/random.ts';
import { CLIENTS, cutOff, STORIES, type Scene } from './rare-stories.ts';
import { editOf, setupOf, SPAN_MS, type Action, type Schedule, type Setup } from './schedule.ts';

const GATEWAYS = ['gateway0', 'gateway1'] as const;
/** Until pages have found the other gateway. */
const MOVE_MS = 500;

/**
 * The schedule of a seed: all pages leave a gateway that dies, one comes back to it, and then one of the stories
 * happens.
 */
export function rareScheduleOf(seed: number): Schedule {
  const random = new Random(seed).fork('rare');
  const setup: Setup = { ...setupOf(random), clients: CLIENTS, maxUnacked: 256, clientMaxUnacked: 256 };
  const client = random.int(0, CLIENTS - 1);
  const document = random.int(0, setup.documents.length - 1);
  const atMs = random.int(1_500, 2_000);
  const leavesMs = atMs - MOVE_MS;
  const gateway = random.pick(GATEWAYS);
  const scene: Scene = { random, setup, gateway, client, document, leavesMs, atMs };
  const diesMs = leavesMs - MOVE_MS;
  const actions: Action[] = [
    { atMs: diesMs, kind: 'crash', process: gateway, forMs: 50 },
    { atMs: leavesMs, ...cutOff(scene) },
    ...Array.from({ length: random.int(3, 6) }, () => ({
      ...editOf(random, setup, []),
      atMs: random.int(0, diesMs),
    })),
    ...random.pick(STORIES)(scene),
    { atMs: random.int(1_000, SPAN_MS), kind: 'probe' },
  ];
  actions.sort((a, b) => a.atMs - b.atMs);
  return { kind: 'rare', seed, setup, actions };
}

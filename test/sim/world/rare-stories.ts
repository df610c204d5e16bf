import type { Random } from '../engine/random.ts';
import { editOf, type Action, type Setup } from './schedule.ts';

export const CLIENTS = 3;

/** One page is alone at a gateway, the others are at the other one: who is where decides what meets what. */
export interface Scene {
  random: Random;
  setup: Setup;
  gateway: string;
  client: number;
  document: number;
  /** When it leaves the others. */
  leavesMs: number;
  /** From now on it is there, unless something keeps it. */
  atMs: number;
}

type Story = (scene: Scene) => Action[];

/** A follow ends, and begins anew behind a barrier that it has not seen, while the page types on. */
function followsAnew(scene: Scene): Action[] {
  const { random, gateway, document, atMs } = scene;
  return [
    { atMs, kind: 'break-follow', process: gateway },
    { atMs: atMs + random.int(20, random.pick([300, 900])), kind: 'barrier', document },
    ...typing(scene, { fromMs: atMs + 400, toMs: atMs + 1_000, everyMs: 20 }),
    ...othersTyping(scene, { fromMs: atMs + 300, toMs: atMs + random.int(600, 1_000), everyMs: 40 }),
  ];
}

/** The page types more than it may have under way; a generation begins, and it goes on in that. */
function typesTooMuch(scene: Scene): Action[] {
  const { random, setup, document, atMs } = scene;
  setup.maxUnacked = 2;
  return [
    { atMs: atMs + random.int(100, 700), kind: 'barrier', document },
    ...typing(scene, { fromMs: atMs, toMs: atMs + 800, everyMs: 20 }),
    ...othersTyping(scene, { fromMs: atMs, toMs: atMs + 800, everyMs: 100 }),
  ];
}

/** The page gets nothing for longer than it waits for acks, and sends all of it again. */
function sendsAgain(scene: Scene): Action[] {
  const { random, setup, atMs } = scene;
  Object.assign(setup, { maxUnacked: 2, ackTimeoutMs: 1_500 });
  Object.assign(setup, { joinTimeoutMs: 30_000, maxQueueBytes: 4_194_304 });
  return [
    { atMs, ...slow(scene, random.int(1_700, 2_800)) },
    ...typing(scene, { fromMs: atMs, toMs: atMs + random.int(200, 600), everyMs: 60 }),
    ...typing(scene, { fromMs: atMs + 1_450, toMs: atMs + 2_000, everyMs: 80 }),
  ];
}

/** The page joins again for want of an ack; a barrier overtakes the answer, and what lies between is dropped. */
function barrierOvertakes(scene: Scene): Action[] {
  const { random, setup, gateway, document, atMs } = scene;
  Object.assign(setup, { ackTimeoutMs: 1_500, joinTimeoutMs: 30_000, maxFrameBytes: 262_144 });
  setup.maxQueueBytes = random.pick([900, 2_000]);
  const forMs = random.int(1_600, 2_400);
  return [
    { atMs, kind: 'trouble', trouble: 'follow-stall', target: gateway, forMs },
    ...typing(scene, { fromMs: atMs, toMs: atMs + 60, everyMs: 30 }),
    { atMs: atMs + random.int(100, 700), kind: 'barrier', document },
    ...othersTyping(scene, { fromMs: atMs + 800, toMs: atMs + forMs - random.int(0, 300), everyMs: 80 }),
    { atMs: atMs + forMs - random.int(20, 400), ...slow(scene, random.int(500, 1_500)) },
  ];
}

/** The first answer comes when the page has given it up, and so do the next ones. */
function answersComeLate(scene: Scene): Action[] {
  const { random, setup, gateway } = scene;
  setup.joinTimeoutMs = 400;
  const atMs = scene.leavesMs - 50;
  const forMs = random.int(1_000, 1_500);
  const stallMs = forMs + random.int(450, 1_500);
  return [
    { atMs, kind: 'trouble', trouble: 'follow-stall', target: gateway, forMs: stallMs },
    { atMs, kind: 'freeze', process: 'sync0', forMs },
    { atMs, kind: 'freeze', process: 'sync1', forMs },
    ...othersTyping(scene, { fromMs: scene.atMs - 100, toMs: atMs + stallMs + 100, everyMs: 150 }),
  ];
}

/** The page hears elsewhere of what its gateway has not seen yet, and comes back before it has got it. */
function hearsElsewhere(scene: Scene): Action[] {
  const { random, setup, gateway, client, document, atMs } = scene;
  Object.assign(setup, { joinTimeoutMs: 30_000, maxFrameBytes: 400 });
  Object.assign(setup, { maxQueueBytes: 4_194_304, ringBytes: 262_144 });
  // Its state comes in several pieces.
  const large = {
    kind: 'insert',
    client: (client + 1) % CLIENTS,
    document,
    length: 1_000,
    place: 0,
  } as const;
  return [
    { atMs: atMs + 20, kind: 'trouble', trouble: 'follow-stall', target: gateway, forMs: 2_500 },
    { atMs: atMs + 50, kind: 'barrier', document },
    { atMs: atMs + 300, ...large },
    { atMs: atMs + 400, ...cutOff(scene) },
    { atMs: atMs + 400, ...slow(scene, 400) },
    { atMs: atMs + 800 + random.int(5, 150), ...cutOff(scene) },
  ];
}

/** A batch reaches the store when its partition has moved, and the next owner has gone past it. */
function storedLate(scene: Scene): Action[] {
  const { random, atMs } = scene;
  const shuffle = { kind: 'shuffle' } as const;
  return [
    ...['persister0', 'persister1'].map((target): Action => ({
      atMs,
      kind: 'trouble',
      trouble: 'store-slow',
      target,
      forMs: 300,
    })),
    ...typing(scene, { fromMs: atMs - 200, toMs: atMs + 600, everyMs: 50 }),
    { atMs: atMs + random.int(100, 300), ...shuffle },
    { atMs: atMs + random.int(300, 600), ...shuffle },
  ];
}

/** Each needs so much at one time that chance alone brings it together once in thousands of schedules. */
export const STORIES: readonly Story[] = [
  followsAnew,
  followsAnew,
  typesTooMuch,
  sendsAgain,
  barrierOvertakes,
  answersComeLate,
  hearsElsewhere,
  hearsElsewhere,
  storedLate,
];

/** The page has lost its connection. */
export function cutOff({ client }: Scene) {
  return { kind: 'cut', client, byClientMs: 0, byServerMs: 50, arrives: true } as const;
}

function slow({ client }: Scene, forMs: number) {
  return { kind: 'trouble', trouble: 'slow-client', target: `client${client}`, forMs } as const;
}

interface Typing {
  fromMs: number;
  toMs: number;
  /** On average. */
  everyMs: number;
}

function typing({ random, setup, client, document }: Scene, { fromMs, toMs, everyMs }: Typing): Action[] {
  const actions: Action[] = [];
  for (let atMs = fromMs + random.int(0, everyMs); atMs < toMs; atMs += random.int(1, 2 * everyMs))
    actions.push({ ...editOf(random, setup, []), atMs, client, document } as Action);
  return actions;
}

function othersTyping(scene: Scene, when: Typing): Action[] {
  const { random, client } = scene;
  return typing(scene, when).map(
    (action) => ({ ...action, client: (client + random.int(1, CLIENTS - 1)) % CLIENTS }) as Action,
  );
}

import type { Random } from '../../support/random.ts';
import {
  delayAt,
  failAt,
  FOLD_POINTS,
  freezeAt,
  GATEWAY_POINTS,
  JOIN_POINTS,
  killAt,
  SNAPSHOT_POINTS,
  STORE_POINTS,
  TRIM_POINTS,
} from './acts-at-points.ts';
import { disturb, freeze, kill, killKafka, killPostgres, killTwo, type Inject } from './acts.ts';

export interface FaultKind {
  /** How often it is chosen, among all. */
  weight: number;
  isKill: boolean;
  /** Somebody has to join for it to happen. */
  needsJoin?: boolean;
  /** Most that the room may take to work again, on a machine that is not busy, in ms; where the product promises it. */
  promisedMs?: number;
  inject: Inject;
}

/** Everything that is done to the cluster, by name. */
export const FAULTS = {
  'kill gateway': { weight: 8, isKill: true, promisedMs: 3_000, inject: kill('gateway') },
  'kill gateway at a point': { weight: 12, isKill: true, promisedMs: 3_000, inject: killAt(GATEWAY_POINTS) },
  'kill persister': { weight: 4, isKill: true, inject: kill('persister') },
  'kill persister at a point': { weight: 9, isKill: true, inject: killAt(STORE_POINTS) },
  'kill persister at a snapshot': { weight: 3, isKill: true, inject: killAt(SNAPSHOT_POINTS) },
  'kill persister at a trim': { weight: 1, isKill: true, inject: killAt(TRIM_POINTS) },
  'kill fastsync': { weight: 3, isKill: true, inject: kill('fastsync') },
  'kill fastsync at a point': { weight: 3, isKill: true, needsJoin: true, inject: killAt(JOIN_POINTS) },
  'kill codec': { weight: 2, isKill: true, inject: kill('codec') },
  'kill codec at a point': { weight: 2, isKill: true, inject: killAt(FOLD_POINTS) },
  'kill gateway and persister': { weight: 2, isKill: true, promisedMs: 3_000, inject: killTwo },
  'kill PostgreSQL': { weight: 6, isKill: true, inject: killPostgres },
  'kill Kafka': { weight: 5, isKill: true, inject: killKafka },
  'freeze a service': {
    weight: 3,
    isKill: false,
    promisedMs: 12_000,
    inject: freeze(['gateway', 'persister', 'fastsync', 'codec']),
  },
  'freeze a service at a point': {
    weight: 4,
    isKill: false,
    promisedMs: 12_000,
    inject: freezeAt([...GATEWAY_POINTS, ...STORE_POINTS]),
  },
  'fail at a point': { weight: 3, isKill: false, inject: failAt },
  'delay at a point': { weight: 2, isKill: false, inject: delayAt },
  'disturb Kafka’s connections': { weight: 4, isKill: false, inject: disturb('kafkaProxy') },
  'disturb PostgreSQL’s connections': { weight: 4, isKill: false, inject: disturb('postgresProxy') },
} satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof FAULTS;

export const faultOf = (name: FaultName): FaultKind => FAULTS[name];

/** What step `step` of seed `seed` does depends on these two numbers alone, so that a run can begin anywhere. */
export function chooseFault(random: Random): FaultName {
  const weights = Object.fromEntries(
    Object.entries(FAULTS).map(([name, { weight }]) => [name, weight]),
  ) as Record<FaultName, number>;
  return random.weighted(weights);
}

/** What may happen while the first fault is being got over: the ends that need no waiting. */
const MEANWHILE = {
  'kill gateway': 3,
  'kill persister': 3,
  'kill fastsync': 2,
  'kill codec': 1,
  'kill PostgreSQL': 2,
};

/** A second fault for a step, or none. */
export function chooseSecond(first: FaultName, random: Random): FaultName | undefined {
  if (!random.chance(0.2)) return undefined;
  const second = random.weighted(MEANWHILE);
  return second === first ? undefined : second;
}

import { judge, type Verdict } from '../../support/oracle/index.ts';
import { Random } from '../../support/random.ts';
import type { Injected } from './acts.ts';
import { chooseFault, chooseSecond, faultOf, type FaultName } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { Room } from './room.ts';
import type { RunOptions, RunResult } from './run.ts';
import type { World } from './world.ts';

const SETTLE_MS = 60_000;
const WORKS_AGAIN_MS = 60_000;
const STORED_MS = 90_000;

export const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Parts {
  world: World;
  ledger: Ledger;
  result: RunResult;
}

/** Scenario after scenario, into the result. */
export class Runner {
  readonly #options: RunOptions;
  readonly #parts: Parts;
  readonly #complaints: string[] = [];
  readonly #patience: number;
  #kills = 0;

  constructor(options: RunOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#patience = options.patience ?? 1;
  }

  isDone(elapsedMs: number): boolean {
    return this.#kills >= this.#options.kills || elapsedMs >= (this.#options.maxMs ?? Infinity);
  }

  /** New rooms, some faults while people edit, then everything comes to rest and the oracle looks at it. */
  async scenario(): Promise<void> {
    const { result, world } = this.#parts;
    const { seed, stepsPerScenario = 4 } = this.#options;
    const from = result.nextStep;
    const rooms = this.#openRooms(new Random(seed).fork(`rooms ${from}`), from);
    try {
      await Promise.all(rooms.map((room) => room.ready(SETTLE_MS * this.#patience)));
      for (const room of rooms) room.type();
      await this.#orViolation(async () => {
        for (let left = stepsPerScenario; left > 0 && this.#kills < this.#options.kills; left--)
          await this.#step(rooms);
      });
      // Also after a room that did not work any more: what is missing says more than that it is.
      await this.#look(rooms, from);
    } catch (error) {
      this.#violation(`${(error as Error).message}`);
    } finally {
      for (const room of rooms) room.close();
    }
    for (const { name, how } of world.deaths.splice(0)) this.#violation(`${name} died by itself (${how})`);
    for (const complaint of this.#complaints.splice(0)) this.#violation(`a user was told: ${complaint}`);
  }

  async #step(rooms: readonly Room[]): Promise<void> {
    const { result } = this.#parts;
    const { seed, print } = this.#options;
    const step = result.nextStep++;
    const random = new Random(seed).fork(`step ${step}`);
    const name = chooseFault(random);
    const fault = faultOf(name);
    const ackedBefore = acksOf(rooms);
    await pause(random.int(0, 400));
    const churn = this.#churn(rooms, random, fault.needsJoin === true);
    let injected: (Injected & { isDouble: boolean }) | undefined;
    try {
      injected = await this.#inject(name, random);
      const since = performance.now();
      const repaired = injected.repaired.then(() => performance.now() - since);
      repaired.catch(() => undefined); // awaited below
      const worksAgainMs = Math.max(
        ...(await Promise.all(
          rooms.map((room) => room.worksAgain(`step ${step}`, WORKS_AGAIN_MS * this.#patience)),
        )),
      );
      if (!injected.isDouble) this.#checkPromise(step, fault.promisedMs, worksAgainMs);
      const repairedMs = await repaired;
      await churn;
      const acked = acksOf(rooms) - ackedBefore;
      this.#kills += injected.kills;
      const { what, kills } = injected;
      const { isDouble } = injected;
      result.steps.push({
        step,
        fault: name,
        what,
        kills,
        acked,
        lost: 0,
        isDouble,
        worksAgainMs,
        repairedMs,
      });
      print(
        `seed ${seed} step ${step}: ${name}: ${injected.what}; works again after ${seconds(worksAgainMs)}, repaired after ${seconds(repairedMs)}, ${acked} acked`,
      );
    } catch (error) {
      print(`seed ${seed} step ${step}: ${name}: ${injected?.what ?? 'not injected'}`);
      throw new Error(`step ${step} (${name}: ${injected?.what ?? '-'}): ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      await injected?.repaired;
      await churn;
    }
  }

  /** The fault of the step, and sometimes another one while that is being got over. */
  async #inject(name: FaultName, random: Random): Promise<Injected & { isDouble: boolean }> {
    const { world } = this.#parts;
    const second = chooseSecond(name, random.fork('second'));
    const first = await faultOf(name).inject(world, random);
    if (!second) return { ...first, isDouble: false };
    first.repaired.catch(() => undefined); // awaited below, together with the other one
    await pause(random.int(0, 1_500));
    const other = await faultOf(second).inject(world, random);
    return {
      isDouble: true,
      what: `${first.what}; meanwhile ${second}: ${other.what}`,
      kills: first.kills + other.kills,
      repaired: Promise.all([first.repaired, other.repaired]).then(() => undefined),
    };
  }

  /** The product promises a time; a machine on which everything is slower gets as much more as `patience` says. */
  #checkPromise(step: number, promisedMs: number | undefined, worksAgainMs: number): void {
    if (promisedMs === undefined || worksAgainMs <= promisedMs * this.#patience) return;
    this.#violation(
      `step ${step}: the room worked again after ${seconds(worksAgainMs)}, promised ${seconds(promisedMs)}`,
    );
  }

  /** People come and go beside the faults. */
  async #churn(rooms: readonly Room[], random: Random, mustJoin: boolean): Promise<void> {
    const own = random.fork('churn');
    if (!mustJoin && own.chance(0.4)) return;
    const room = own.pick(rooms);
    const person = own.pick(room.people);
    if (mustJoin || own.chance(0.4)) {
      await pause(own.int(20, 200));
      return room.replace(person);
    }
    person.disconnect();
    await pause(own.int(0, 1_500));
    person.connect();
  }

  async #look(rooms: readonly Room[], fromStep: number): Promise<void> {
    const { ledger, result } = this.#parts;
    const { print, seed } = this.#options;
    const started = performance.now();
    await this.#orViolation(() => Promise.all(rooms.map((room) => room.settle(SETTLE_MS * this.#patience))));
    await this.#orViolation(() => ledger.untilStored(STORED_MS * this.#patience));
    const fresh = await Promise.all(rooms.map((room) => room.readFresh(SETTLE_MS * this.#patience)));
    const seen = rooms.map((room) => room.evidence());
    const verdict = judge({
      acks: seen.flatMap(({ acks }) => acks),
      states: [...fresh.flat(), ...seen.flatMap(({ states }) => states)],
      deliveries: seen.flatMap(({ deliveries }) => deliveries),
      ...(await ledger.evidence(rooms.map(({ roomId }) => roomId))),
    });
    ledger.forget();
    this.#take(verdict);
    for (const step of result.steps) if (step.step >= fromStep) step.lost = verdict.lost;
    print(
      `seed ${seed} through step ${result.nextStep - 1}: ${verdict.acked} acked, ${verdict.lost} lost, ${verdict.violations.length} violations, ${verdict.quarantined} in quarantine; looked at in ${seconds(performance.now() - started)}`,
    );
  }

  async #orViolation(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#violation((error as Error).message);
    }
  }

  #take({ acked, lost, quarantined, violations }: Verdict): void {
    const { result } = this.#parts;
    result.acked += acked;
    result.lost += lost;
    result.quarantined = quarantined;
    for (const { kind, document, detail } of violations) this.#violation(`${kind} ${document}: ${detail}`);
  }

  #violation(text: string): void {
    const { result } = this.#parts;
    const violation = `seed ${this.#options.seed}, through step ${result.nextStep - 1}: ${text}`;
    result.violations.push(violation);
    this.#options.print(`VIOLATION ${violation}`);
  }

  #openRooms(random: Random, step: number): Room[] {
    const { rooms = 3, peoplePerRoom = 3, seed } = this.#options;
    const { urls } = this.#parts.world.cluster;
    return Array.from({ length: rooms }, (_, index) => {
      const roomId = `s${seed}-${step}-${index}`;
      const own = random.fork(roomId);
      const onComplaint = (text: string) => void this.#complaints.push(`${roomId}/${text}`);
      return new Room({ roomId, people: peoplePerRoom, urls, random: own, onComplaint });
    });
  }
}

function acksOf(rooms: readonly Room[]): number {
  return rooms.reduce((sum, { acked }) => sum + acked, 0);
}

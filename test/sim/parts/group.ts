import { AppError } from '../../../lib/errors.ts';
import type { BatchContext, ConsumeRequest, GroupMember } from '../../../lib/stream/port.ts';
import type { Counters } from '../engine/counters.ts';
import type { SimProcess } from '../engine/process.ts';
import type { Weather } from '../engine/weather.ts';
import type { LogPartition } from './log.ts';

const SESSION_TIMEOUT_MS = 3_000;
const RETRY_PAUSE_MS = 250;
/** Records may wait for others with which they are stored together. */
const COLLECT_MS = 300;
const MAX_RECORDS = 6;

/** A partition in the hands of one member. It may go on with it for a while after another one has got it. */
interface Lease {
  partition: LogPartition;
  /** The member has heard that it is over. */
  isOver: boolean;
}

interface Member {
  process: SimProcess;
  request: ConsumeRequest;
  leases: Map<LogPartition, Lease>;
  hasLeft: boolean;
}

export interface GroupParts {
  partitions: () => readonly LogPartition[];
  weather: Weather;
  counters: Counters;
}

/** A consumer group at its coordinator: who works on which partition, and who believes to. */
export class SimGroup {
  readonly #parts: GroupParts;
  #members: Member[] = [];

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  join(process: SimProcess, request: ConsumeRequest): GroupMember {
    const member: Member = { process, request, leases: new Map(), hasLeft: false };
    this.#members.push(member);
    this.#rebalance();
    return {
      stop: () => {
        for (const lease of member.leases.values()) lease.isOver = true;
        this.#expel(member);
        return Promise.resolve();
      },
      isAssigned: ({ topic, partition }) =>
        [...member.leases.values()].some(
          (lease) =>
            !lease.isOver && lease.partition.topic === topic && lease.partition.partition === partition,
        ),
    };
  }

  /** A member that died or hangs is missed after the session time-out; what it had goes to the others. */
  missed(process: SimProcess): void {
    process.scheduler.after(SESSION_TIMEOUT_MS, 'session timeout', () => {
      const member = this.#members.find((candidate) => candidate.process === process);
      if (!member || (!process.isDead && !process.isFrozen)) return;
      this.#expel(member);
      this.#parts.counters.count('takeover');
      if (process.isDead) return;
      this.#parts.counters.count('takeover-from-zombie');
      // It hears of it some time after it has woken up, and joins again.
      process.after(process.random.next() * 2_000, 'evicted', () => {
        for (const lease of member.leases.values()) lease.isOver = true;
        if (member.hasLeft) return;
        member.leases = new Map();
        this.#members.push(member);
        this.#rebalance();
      });
    });
  }

  /** Partitions move although everybody is well; the former owners hear of it late. */
  shuffle(): void {
    this.#members.reverse();
    this.#rebalance();
  }

  #expel(member: Member): void {
    this.#members = this.#members.filter((other) => other !== member);
    this.#rebalance();
  }

  #rebalance(): void {
    const live = this.#members.filter(({ process }) => !process.isDead);
    this.#parts.partitions().forEach((partition, at) => {
      const owner = live[at % Math.max(1, live.length)];
      for (const member of this.#members) {
        const lease = member.leases.get(partition);
        if (member === owner || !lease) continue;
        member.leases.delete(partition);
        this.#parts.counters.count('partition-moved');
        member.process.after(member.process.random.delay(20, 1_500), 'revoked', () => (lease.isOver = true));
      }
      if (owner && !owner.leases.has(partition)) this.#assign(owner, partition);
    });
  }

  #assign(member: Member, partition: LogPartition): void {
    const lease: Lease = { partition, isOver: false };
    member.leases.set(partition, lease);
    const { process } = member;
    process.after(process.random.delay(20, 400), 'assigned', () => void this.#work(member, lease));
  }

  async #work(member: Member, lease: Lease): Promise<void> {
    const { request, process } = member;
    const { topic, partition } = lease.partition;
    while (!lease.isOver) {
      try {
        let next = await request.startOffset({ topic, partition });
        while (!lease.isOver) next = await this.#batch(member, lease, next);
      } catch (error) {
        request.onError?.(error as Error);
        await pauseOf(process, RETRY_PAUSE_MS);
      }
    }
  }

  async #batch({ request, process }: Member, lease: Lease, fetchOffset: number): Promise<number> {
    const { partition } = lease;
    const { topic, partition: number } = partition;
    await pauseOf(process, process.random.delay(5, 120));
    const away = this.#parts.weather.until('log-away', process.name);
    if (away > 0) await pauseOf(process, away - process.clock.now());
    if (fetchOffset < partition.start || fetchOffset > partition.end)
      throw new AppError('STREAM_OFFSET_OUT_OF_RANGE', { data: { topic, partition: number } });
    if (fetchOffset >= partition.end) await moreIn(partition, process);
    if (lease.isOver) return fetchOffset;
    const first = partition.indexOf(fetchOffset);
    const records = partition.records.slice(first, first + process.random.int(1, MAX_RECORDS));
    const isLast = first + records.length >= partition.records.length;
    const nextOffset = isLast ? partition.end : records.at(-1)!.offset + 1;
    const context: BatchContext = { heartbeat: () => Promise.resolve(), isStale: () => lease.isOver };
    const batch = { topic, partition: number, fetchOffset, nextOffset, records };
    for (;;) {
      try {
        return await request.onBatch(batch, context);
      } catch (error) {
        request.onError?.(error as Error);
        await pauseOf(process, RETRY_PAUSE_MS);
        if (lease.isOver) return fetchOffset;
      }
    }
  }
}

function moreIn(partition: LogPartition, process: SimProcess): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      partition.onAppend.delete(wake);
      process.after(process.random.delay(5, COLLECT_MS), 'consume', resolve);
    };
    partition.onAppend.add(wake);
  });
}

function pauseOf(process: SimProcess, delayMs: number): Promise<void> {
  return new Promise((resolve) => process.after(delayMs, 'consume', resolve));
}

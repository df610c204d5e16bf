import { readFileSync } from 'node:fs';

/** Linux counts process times in these ticks (USER_HZ), whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  cpuSeconds: number;
  peakMemoryMb: number;
}

/** What a process has used since its start; zero when it is gone. Linux only. */
export function usageOf(pid: number): ProcessUsage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const peakKb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { cpuSeconds: ticks / TICKS_PER_SECOND, peakMemoryMb: Number(peakKb ?? 0) / 1024 };
  } catch {
    return { cpuSeconds: 0, peakMemoryMb: 0 }; // the process has ended
  }
}

/** A process and all that it started, now. */
export function withChildren(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...children.split(' ').filter(Boolean).map(Number).flatMap(withChildren)];
  } catch {
    return [pid]; // it has ended, or the kernel does not list children
  }
}

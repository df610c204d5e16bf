import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Schedule } from './world/schedule.ts';

export interface FoundSchedule {
  /** What it has shown. */
  name: string;
  schedule: Schedule;
}

const FOLDER = join(import.meta.dirname, 'found');

/** Minimal schedules that once were red: one file each, in the order in which they were found. */
export const FOUND: readonly FoundSchedule[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as FoundSchedule);

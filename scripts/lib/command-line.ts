import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** What a command line says is wrong; shown with the usage. */
export class UsageError extends Error {}

/** Throws UsageError for an option that is not among these. `help` is always one. */
export function readOptions<T extends ParseArgsOptionsConfig>(options: T, args = process.argv.slice(2)) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** A whole number from `min` (default 0) to `max`; throws UsageError. */
export function wholeNumber(
  name: string,
  value: string,
  { min = 0, max = 999_999_999 }: { min?: number; max?: number } = {},
): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}.`);
}

export interface Command {
  usage: string;
  /** Resolves with the exit code. */
  run(): Promise<number>;
  /** Whether an error is a message for whoever typed the command, and no fault of the program. */
  isExpected?: (error: unknown) => boolean;
}

/** Sets the exit code: that of the command, 1 when it fails, 2 when its options are wrong. `--help` shows the usage. */
export async function runCommand({ usage, run, isExpected = () => false }: Command): Promise<void> {
  if (process.argv.includes('--help')) return console.log(usage);
  try {
    process.exitCode = await run();
  } catch (error) {
    const isUsage = error instanceof UsageError;
    console.error(isUsage || isExpected(error) ? (error as Error).message : error);
    if (isUsage) console.error(`\n${usage}`);
    process.exitCode = isUsage ? 2 : 1;
  }
}

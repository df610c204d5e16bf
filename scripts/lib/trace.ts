import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** Positions and lengths in Unicode code points; patches of a transaction apply one after the other. */
export type Patch = [position: number, deleted: number, inserted: string];

export interface TraceTransaction {
  agent: number;
  /**
   * What the author saw, by agent: the index of that agent's newest transaction among the ancestors, or -1. All
   * earlier ones of that agent are ancestors too.
   */
  seen: readonly number[];
  patches: readonly Patch[];
}

/** An editing session. Any prefix of `transactions` is complete in itself: ancestors come first. */
export interface Trace {
  agents: number;
  endContent: string;
  transactions: TraceTransaction[];
  /** Inserts and deletes of all transactions. */
  edits: number;
  /** True when a character takes two UTF-16 units somewhere, so that positions have to be converted. */
  hasAstral: boolean;
}

/** The file cannot be read as a trace; the message says what is wrong and may be shown. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** Reads a gzipped or plain JSON trace, sequential or concurrent. Throws TraceError. */
export async function readTrace(file: string): Promise<Trace> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new TraceError(`The trace ${file} cannot be read.`, { cause: error });
  }
  let json: unknown;
  try {
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? await promisify(gunzip)(bytes) : bytes;
    json = JSON.parse(plain.toString('utf8'));
  } catch (error) {
    throw new TraceError(`The trace ${file} is not (gzipped) JSON.`, { cause: error });
  }
  return parseTrace(json);
}

/**
 * Checks and normalizes a parsed trace. Both formats become one: a sequential trace (transactions without
 * `parents`) is one agent whose every transaction follows the one before, beginning with `startContent`.
 * Throws TraceError.
 */
export function parseTrace(json: unknown): Trace {
  const { txns, endContent, startContent = '' } = asRecord(json, 'The trace');
  if (!Array.isArray(txns)) throw new TraceError('The trace has no list `txns`.');
  if (typeof endContent !== 'string') throw new TraceError('The trace has no text `endContent`.');
  if (typeof startContent !== 'string') throw new TraceError('`startContent` is not a text.');
  const raw = txns.map(parseTransaction);
  const agents = raw.reduce((most, { agent }) => Math.max(most, agent + 1), 1);
  if (startContent !== '') {
    if (agents > 1 || raw.some(({ parents }) => parents))
      throw new TraceError('`startContent` is supported in sequential traces only.');
    raw.unshift({ agent: 0, patches: [[0, 0, startContent]] });
  }
  const transactions = withAncestry(raw, agents);
  let edits = 0;
  let hasAstral = false;
  for (const { patches } of transactions) {
    edits += patches.length;
    hasAstral ||= patches.some(([, , inserted]) => isAstral(inserted));
  }
  return { agents, endContent, transactions, edits, hasAstral };
}

interface RawTransaction {
  agent: number;
  parents?: number[];
  patches: readonly Patch[];
}

function parseTransaction(json: unknown, index: number): RawTransaction {
  const where = `Transaction ${index}`;
  const { agent = 0, parents, patches } = asRecord(json, where);
  if (!isCount(agent)) throw new TraceError(`${where}: \`agent\` must be an integer from 0.`);
  if (!Array.isArray(patches) || !patches.every(isPatch))
    throw new TraceError(`${where}: \`patches\` must be [position, deleted, inserted] each.`);
  if (parents === undefined) return { agent, patches };
  if (!Array.isArray(parents) || !parents.every((parent) => isCount(parent) && parent < index))
    throw new TraceError(`${where}: \`parents\` must be indexes of earlier transactions.`);
  return { agent, parents, patches };
}

/**
 * Turns parents into `seen`. That is the same set of ancestors because an agent is one person at one document:
 * each of its transactions descends from its previous one, which is checked here.
 */
function withAncestry(raw: readonly RawTransaction[], agents: number): TraceTransaction[] {
  const transactions: TraceTransaction[] = [];
  const last = new Array<number>(agents).fill(-1);
  raw.forEach(({ agent, parents, patches }, index) => {
    const seen = new Array<number>(agents).fill(-1);
    for (const parent of parents ?? (index === 0 ? [] : [index - 1])) {
      const of = transactions[parent]!;
      of.seen.forEach((newest, other) => (seen[other] = Math.max(seen[other]!, newest)));
      seen[of.agent] = Math.max(seen[of.agent]!, parent);
    }
    if (seen[agent] !== last[agent])
      throw new TraceError(`Transaction ${index}: agent ${agent} has not seen its own previous transaction.`);
    last[agent] = index;
    transactions.push({ agent, seen, patches });
  });
  return transactions;
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TraceError(`${what} is not an object.`);
  return value as Record<string, unknown>;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isPatch = (value: unknown): value is Patch =>
  Array.isArray(value) &&
  value.length === 3 &&
  isCount(value[0]) &&
  isCount(value[1]) &&
  typeof value[2] === 'string';

const isAstral = (text: string) => /[\u{10000}-\u{10ffff}]/u.test(text);

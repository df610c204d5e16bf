import {
  placeOf,
  retryKeyOf,
  type Evidence,
  type LogRecord,
  type Report,
  type StoredRow,
} from './evidence.ts';
import { areEqualBytes } from './normal-state.ts';

/** One row for each record; of one retry key only the first has a payload, and there is only one payload. */
export function checkRows({ rows, log, acks, quarantined = [] }: Evidence, report: Report): void {
  checkPayloads({ rows, log, acks }, report);
  if (!rows) return;
  checkPlaces(rows, report);
  checkRepeats(rows, report);
  if (log) checkAgainstLog({ rows, log, quarantined }, report);
}

function checkPlaces(rows: readonly StoredRow[], report: Report): void {
  const places = new Set<string>();
  for (const row of rows) {
    const place = placeOf(row);
    if (places.has(place)) report({ kind: 'row-doubled', document: row.document, detail: place });
    places.add(place);
  }
}

function checkRepeats(rows: readonly StoredRow[], report: Report): void {
  const inOrder = [...rows].sort((a, b) => a.epoch - b.epoch || a.offset - b.offset);
  const first = new Map<string, StoredRow>();
  for (const row of inOrder) {
    const key = retryKeyOf(row);
    const known = row.version > 0 ? first.get(key) : undefined;
    const { document } = row;
    const detail = `${key} at ${placeOf(row)}`;
    if (!known) {
      first.set(key, row);
      if (!row.payload) report({ kind: 'payload-missing', document, detail });
    } else if (row.payload)
      report({ kind: 'payload-doubled', document, detail: `${detail}, first at ${placeOf(known)}` });
    else if (row.repeatOf !== known.offset)
      report({
        kind: 'repeat-names-wrong-row',
        document,
        detail: `${detail} names ${row.repeatOf}, first is ${placeOf(known)}`,
      });
  }
}

/** Whoever shows a payload of a retry key shows the same: sender, log and store. */
function checkPayloads(
  { rows = [], log = [], acks }: Evidence | (Pick<Evidence, 'acks'> & Partial<Evidence>),
  report: Report,
): void {
  const payloads = new Map<string, Uint8Array>();
  const told = new Set<string>();
  const take = (of: Parameters<typeof retryKeyOf>[0], payload: Uint8Array | undefined) => {
    if (!payload || of.version === 0) return;
    const key = retryKeyOf(of);
    const known = payloads.get(key);
    if (!known) payloads.set(key, payload);
    else if (!areEqualBytes(known, payload) && !told.has(key)) {
      told.add(key);
      report({ kind: 'retry-key-with-two-payloads', document: of.document, detail: key });
    }
  };
  for (const record of log) if (record.kind === 'update') take(record, record.payload);
  for (const row of rows) take(row, row.payload);
  for (const ack of acks) if (ack.update instanceof Uint8Array) take(ack, ack.update);
}

/** Every record of the log is a row, a barrier, behind the barrier of a later generation, or in quarantine. */
function checkAgainstLog(
  { rows, log, quarantined }: Required<Pick<Evidence, 'rows' | 'log' | 'quarantined'>>,
  report: Report,
): void {
  const stored = new Map(rows.map((row) => [placeOf(row), row]));
  const aside = new Set(quarantined.map(placeOf));
  const logged = new Set(log.map(placeOf));
  const generations = new Map<string, number>();
  const inOrder = [...log].sort((a, b) => a.epoch - b.epoch || a.offset - b.offset);
  for (const record of inOrder) {
    if (record.kind === 'barrier') {
      const known = generations.get(record.document) ?? 1;
      generations.set(record.document, Math.max(known, record.generation));
    }
    if (record.kind !== 'update') continue;
    const isStale = record.generation < (generations.get(record.document) ?? 1);
    if (isStale || aside.has(placeOf(record))) continue;
    checkStored(record, stored.get(placeOf(record)), report);
  }
  for (const row of rows)
    if (!logged.has(placeOf(row)))
      report({ kind: 'row-not-in-log', document: row.document, detail: placeOf(row) });
}

function checkStored(
  record: Extract<LogRecord, { kind: 'update' }>,
  row: StoredRow | undefined,
  report: Report,
): void {
  const key = retryKeyOf(record);
  if (row && retryKeyOf(row) === key) return;
  const detail = `${key} at ${placeOf(record)}${row ? ` is stored as ${retryKeyOf(row)}` : ''}`;
  report({ kind: 'record-not-stored', document: record.document, detail });
}

import type { Position } from '../../../lib/protocol/position.ts';
import { placeOf, retryKeyOf, type ClientDeliveries, type Delivery, type Evidence } from './evidence.ts';
import type { Report } from './evidence.ts';

/** No client counts as known what lies behind a gap, and what it was given at a place is what the log has there. */
export function checkDeliveries({ deliveries = [], log }: Evidence, report: Report): void {
  for (const client of deliveries) checkPositions(client, report);
  if (!log) return;
  const keys = new Map(
    log.map((record) => [placeOf(record), record.kind === 'update' ? retryKeyOf(record) : record.kind]),
  );
  for (const { client, document, events } of deliveries) {
    for (const event of events) {
      if (event.kind !== 'entry' || event.senderId === undefined) continue;
      const { generation, senderId, version = 0, userId, position } = event;
      const key = retryKeyOf({
        document,
        generation: generation ?? position.generation,
        senderId,
        version,
        userId,
      });
      const logged = keys.get(placeOf(position));
      if (logged === key) continue;
      const detail = `${client} got ${key} at ${placeOf(position)}, the log has ${logged ?? 'nothing'}`;
      report({ kind: 'delivered-otherwise-than-logged', document, detail });
    }
  }
}

/** Works out from what came how far a client may stand, and compares it with where it said to stand. */
function checkPositions({ client, document, events }: ClientDeliveries, report: Report): void {
  let reach: Position | undefined;
  let ahead: Extract<Delivery, { kind: 'entry' }>[] = [];
  const catchUp = () => {
    ahead.sort((a, b) => a.position.offset - b.position.offset);
    ahead = ahead.filter((entry) => {
      if (!reach || !isSameLine(entry.position, reach)) return true;
      if (entry.position.offset <= reach.offset) return false;
      if (entry.previous > reach.offset) return true;
      reach = entry.position;
      return false;
    });
  };
  for (const event of events) {
    if (event.kind === 'state') {
      if (!reach || !isSameLine(event.position, reach) || event.position.offset > reach.offset)
        reach = event.position;
      catchUp();
    } else if (event.kind === 'entry') {
      ahead.push(event);
      catchUp();
    } else if (!reach || !isSameLine(event.position, reach) || event.position.offset > reach.offset) {
      const known = reach ? `${placeOf(reach)} of generation ${reach.generation}` : 'nothing';
      const detail = `${client} stands at ${placeOf(event.position)} of generation ${event.position.generation}, but was given only ${known} without a gap`;
      report({ kind: 'position-over-a-gap', document, detail });
      reach = event.position; // once for each gap
      catchUp();
    }
  }
}

function isSameLine(a: Position, b: Position): boolean {
  return a.generation === b.generation && a.epoch === b.epoch && a.partition === b.partition;
}

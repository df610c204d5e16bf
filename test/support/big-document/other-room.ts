import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { ControlRoom } from '../../fuzz/control-room.ts';

/** A process with the two people of another room. Prints one line when they edit; after a line from outside ControlReport. */
const { values } = parseArgs({ options: { url: { type: 'string' }, room: { type: 'string' } } });
const EDIT_EVERY_MS = 25;

const room = new ControlRoom(values.url!, values.room!);
await room.start(EDIT_EVERY_MS);
console.log('"open"');
await once(process.stdin, 'data');
console.log(JSON.stringify(await room.stop()));
process.exit(0);

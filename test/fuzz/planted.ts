/** A reader with a fault behind four bytes that must all be right: found only by who sees how far an input came. */
const PLANTED = [0x7b, 0x80, 0x22, 0xfe];

export function readPlanted(bytes: Uint8Array): void {
  if (bytes[0] !== PLANTED[0]) return;
  if (bytes[1] !== PLANTED[1]) return;
  if (bytes[2] !== PLANTED[2]) return;
  if (bytes[3] !== PLANTED[3]) return;
  throw new Error('the planted fault');
}

export const PLANTED_TARGETS = [{ name: 'planted', seeds: [new Uint8Array(6)], run: readPlanted }];

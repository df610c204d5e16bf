const DEFAULT_ROOM = 'welcome';

/** The room that a URL names by `?room=`; the common room when it names none. */
export function roomOf(url: URL): string {
  return url.searchParams.get('room')?.trim() || DEFAULT_ROOM;
}

/** The link to a room. */
export function linkTo(room: string, origin: string): string {
  const url = new URL('/', origin);
  url.searchParams.set('room', room);
  return url.href;
}

/** A short random name, easy to read out. */
export function freshRoom(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  return Array.from(
    crypto.getRandomValues(new Uint8Array(10)),
    (byte) => letters[byte % letters.length],
  ).join('');
}

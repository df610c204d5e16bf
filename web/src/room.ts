const DEFAULT_ROOM = 'welcome';

/** The room that a URL names: `/r/<room>` or `?room=<room>`; the common room when it names none. */
export function roomOf(url: URL): string {
  const inPath = /^\/r\/([^/]+)\/?$/.exec(url.pathname)?.[1];
  const named = inPath === undefined ? url.searchParams.get('room') : decode(inPath);
  return named?.trim() || DEFAULT_ROOM;
}

/** The link to a room that works on every deployment of the page. */
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

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // malformed percent-encoding: take it as it stands
  }
}

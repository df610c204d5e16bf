import { describe, expect, it } from '@jest/globals';
import { freshRoom, linkTo, roomOf } from '../../../web/src/room.ts';

describe('the room of a URL', () => {
  it.each([
    ['http://host/', 'welcome'],
    ['http://host/?room=', 'welcome'],
    ['http://host/?room=abc', 'abc'],
    ['http://host/?room=%20caf%C3%A9%20%2F%201%20', 'café / 1'],
  ])('%s is %s', (url, room) => {
    expect(roomOf(new URL(url))).toBe(room);
  });

  it('comes back from its own link, whatever it is called', () => {
    for (const room of ['abc', 'a&b=c#d', 'café / 1', '100%'])
      expect(roomOf(new URL(linkTo(room, 'http://host:3000')))).toBe(room);
  });

  it('is a new one each time somebody asks for a fresh one', () => {
    const rooms = new Set(Array.from({ length: 100 }, freshRoom));
    expect(rooms.size).toBe(100);
    for (const room of rooms) expect(room).toMatch(/^[a-z0-9]{10}$/);
  });
});

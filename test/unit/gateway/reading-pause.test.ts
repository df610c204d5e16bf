import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'socket.io';
import { ReadingPause } from '../../../lib/gateway/reading-pause.ts';
import { ManualClock } from './manual-clock.ts';

function setUp() {
  const calls: string[] = [];
  const webSocket = { pause: () => void calls.push('pause'), resume: () => void calls.push('resume') };
  const socket = { conn: { transport: { socket: webSocket } } } as unknown as Socket;
  const clock = new ManualClock();
  return { calls, clock, reading: new ReadingPause(socket, clock) };
}

describe('a pause of reading', () => {
  it('ends by itself; a longer one lengthens it, a shorter one changes nothing', () => {
    const { calls, clock, reading } = setUp();
    reading.pause(100);
    reading.pause(50);
    clock.advance(99);
    expect(calls).toEqual(['pause']);
    reading.pause(200);
    clock.advance(199);
    expect(calls).toEqual(['pause']);
    clock.advance(1);
    expect(calls).toEqual(['pause', 'resume']);
    reading.pause(10);
    clock.advance(10);
    expect(calls).toEqual(['pause', 'resume', 'pause', 'resume']);
  });

  it('is nothing on a transport that cannot pause', () => {
    const socket = { conn: { transport: {} } } as unknown as Socket;
    expect(() => new ReadingPause(socket, new ManualClock()).pause(10)).not.toThrow();
  });
});

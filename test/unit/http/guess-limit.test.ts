import { describe, expect, it } from '@jest/globals';
import { GuessLimit, networkOf } from '../../../lib/http/guess-limit.ts';

describe('guesses', () => {
  it('are counted for each address, and beyond the rate the time to wait is told', () => {
    const limit = new GuessLimit(3);
    for (let n = 0; n < 3; n++) limit.take('192.0.2.1');
    expect(() => limit.take('192.0.2.1')).toThrow(
      expect.objectContaining({
        type: 'RATE_LIMITED',
        data: { retryAfterMs: expect.any(Number) as unknown },
      }),
    );
    expect(() => limit.take('192.0.2.2')).not.toThrow();
    expect(() => limit.take(undefined)).not.toThrow();
  });

  it('are not counted with a rate of 0', () => {
    const limit = new GuessLimit(0);
    for (let n = 0; n < 1_000; n++) limit.take('192.0.2.1');
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('of %s count for %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

import { describe, expect, it } from '@jest/globals';
import { networkOf, RequestLimit } from '../../../lib/http/request-limit.ts';

const refusal = expect.objectContaining({
  type: 'RATE_LIMITED',
  data: { retryAfterMs: expect.any(Number) as unknown },
});

describe('requests that are counted', () => {
  it('are counted for each key, and beyond the rate the time to wait is told', async () => {
    const limit = new RequestLimit(3);
    for (let n = 0; n < 3; n++) await limit.take('192.0.2.1');
    await expect(limit.take('192.0.2.1')).rejects.toEqual(refusal);
    await limit.take('192.0.2.2');
    await limit.take('');
  });

  it('are not counted with a rate of 0', async () => {
    const limit = new RequestLimit(0);
    for (let n = 0; n < 1_000; n++) await limit.take('192.0.2.1');
  });

  it('are counted together with other gateways where there is a common count, and not asked for in vain', async () => {
    let asked = 0;
    const waitMs = () => Promise.resolve(++asked > 4 ? 20_000 : 0);
    const [here, there] = [new RequestLimit(3, { waitMs }), new RequestLimit(3, { waitMs })];
    for (let n = 0; n < 2; n++) for (const limit of [here, there]) await limit.take('192.0.2.1');
    await expect(here.take('192.0.2.1')).rejects.toMatchObject({ data: { retryAfterMs: 20_000 } });
    await expect(here.take('192.0.2.1')).rejects.toEqual(refusal);
    expect(asked).toBe(5);
  });

  it.each<[string | undefined, string]>([
    [undefined, ''],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('of %s count for %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

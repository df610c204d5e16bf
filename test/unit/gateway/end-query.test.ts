import { describe, expect, it } from '@jest/globals';
import { EndQuery } from '../../../lib/gateway/end-query.ts';

describe('EndQuery', () => {
  it('never answers with what was known before the call, and shares the question among many', async () => {
    const asked: PromiseWithResolvers<number>[] = [];
    const end = new EndQuery(() => {
      asked.push(Promise.withResolvers());
      return asked.at(-1)!.promise;
    });
    const first = end.ask();
    const others = Array.from({ length: 200 }, () => end.ask());
    expect(asked).toHaveLength(1);
    asked[0]!.resolve(7);
    expect(await first).toBe(7);
    expect(asked).toHaveLength(2);
    asked[1]!.resolve(9);
    expect(new Set(await Promise.all(others))).toEqual(new Set([9]));
  });

  it('asks again after a failure', async () => {
    let fails = true;
    const end = new EndQuery(() => (fails ? Promise.reject(new Error('away')) : Promise.resolve(3)));
    const [first, second] = [end.ask(), end.ask()];
    await expect(first).rejects.toThrow('away');
    await expect(second).rejects.toThrow('away');
    fails = false;
    expect(await end.ask()).toBe(3);
  });
});

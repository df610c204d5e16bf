import { afterEach, describe, expect, it } from '@jest/globals';
import { Browser } from '../support/browser.ts';
import type { SignInWorld } from '../support/sign-in-world.ts';

const AS_PERSON = { headers: { accept: 'text/html' } };
const AS_PROGRAM = { headers: { accept: 'application/json' } };

/** What a provider says that it should not say, or does not say. Of a server that has not asked it for anything yet. */
export function providerFaults(world: SignInWorld): void {
  const { at, made, refused, refresh, toCallback } = world;

  afterEach(() => {
    world.provider.forge = undefined;
    world.provider.trouble = undefined;
  });

  describe('a provider that does not answer', () => {
    it('at the beginning of a sign-in: the person and the program are told, and it begins when it is back', async () => {
      const browser = new Browser();
      world.provider.breakOff('away');
      const problem = await browser.request(at('/api/auth/test'), AS_PROGRAM);
      expect([problem.status, JSON.parse(problem.text).code]).toEqual([503, 'PROVIDER_UNAVAILABLE']);
      expect(problem.headers.get('retry-after')).toBe('1');
      world.provider.breakOff('behind a proxy');
      const page = await browser.request(at('/api/auth/test'), AS_PERSON);
      expect([page.status, page.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8']);
      expect(page.text).toContain('The sign-in provider does not answer');
      expect(browser.cookie('signin')).toBeUndefined();

      world.provider.trouble = undefined;
      await browser.request(await toCallback(browser, 'patient'));
      expect((await refresh(browser)).status).toBe(200);
    });

    it.each(['away', 'behind a proxy'] as const)(
      'at the callback (%s): no session, and the same address is good when it is back',
      async (trouble) => {
        const before = await made();
        const browser = new Browser();
        const url = await toCallback(browser, 'late', '?returnTo=/x');
        world.provider.breakOff(trouble);
        const problem = await refused(browser, url, [503, 'PROVIDER_UNAVAILABLE']);
        expect(problem.headers.get('retry-after')).toBe('1');
        expect(await made()).toEqual(before);

        world.provider.trouble = undefined;
        expect((await browser.request(url)).headers.get('location')).toBe(at('/x'));
        expect((await refresh(browser)).status).toBe(200);
        await refused(new Browser(), url);
      },
    );

    it('at the callback: a person is sent back to where it began, and told', async () => {
      const browser = new Browser();
      const url = await toCallback(browser, 'late', '?returnTo=/x');
      world.provider.breakOff('away');
      const page = await browser.request(url, AS_PERSON);
      expect(page.headers.get('location')).toBe(at('/x?signInError=PROVIDER_UNAVAILABLE'));
      expect(browser.cookie('ykafka_session')).toBeUndefined();
    });
  });

  describe('an answer of the provider that belongs to another question', () => {
    it.each<[string, (nonce: unknown) => unknown]>([
      ['another nonce', () => 'A'.repeat(43)],
      ['no nonce', () => undefined],
      ['a nonce that only begins like the right one', (nonce) => `${String(nonce)}A`],
      ['an empty nonce', () => ''],
    ])('%s in the ID token: refused, though all else is right', async (_name, nonceOf) => {
      const browser = new Browser();
      const before = await made();
      world.provider.forge = ({ nonce, ...claims }) => {
        const forged = nonceOf(nonce);
        return forged === undefined ? claims : { ...claims, nonce: forged };
      };
      await refused(browser, await toCallback(browser, 'mallory'));
      expect(await made()).toEqual(before);
    });

    it('is taken with the right nonce, signed by the same hand', async () => {
      const browser = new Browser();
      let seen: unknown;
      world.provider.forge = (claims) => {
        seen = claims.nonce;
        return claims;
      };
      await browser.request(await toCallback(browser, 'ada'));
      expect((await refresh(browser)).status).toBe(200);
      expect(seen).toMatch(/^[\w-]{43}$/);
    });

    it('a code of another sign-in does not fit the verifier', async () => {
      const [mallory, victim] = [new Browser(), new Browser()];
      const stolen = new URL(await toCallback(victim, 'victim'));
      const own = new URL(await toCallback(mallory, 'mallory'));
      own.searchParams.set('code', stolen.searchParams.get('code')!);
      await refused(mallory, own.href);
      const invented = new URL(await toCallback(mallory, 'mallory'));
      invented.searchParams.set('code', 'invented');
      await refused(mallory, invented.href);
    });
  });
}

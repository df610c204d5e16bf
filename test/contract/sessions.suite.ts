import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { LONGEST_ACCESS_TOKEN_SECONDS } from '../../lib/config-accounts.ts';
import { TOLERANCE_MS } from '../../lib/accounts/tokens.ts';
import { DAY_MS, IDLE_MS, inAuthWorld, TOKEN_MS } from './auth-world.ts';

const refused = expect.objectContaining({ type: 'UNAUTHENTICATED' }) as unknown;

/** What every database must do for sessions and keys. */
export const sessionChecks = inAuthWorld({
  'a session is refreshed by its newest token, and the database has hashes only': async (world) => {
    const { sessions } = world.auth;
    const userId = await world.person();
    const first = await sessions.create(userId, 'a browser');
    const second = await sessions.refresh(first.token);
    const third = await sessions.refresh(second.token);
    expect([second.sessionId, third.userId]).toEqual([first.sessionId, userId]);
    expect(new Set([first.token, second.token, third.token]).size).toBe(3);
    const stored = JSON.stringify([await world.rows('sessions'), await world.rows('session_spent_tokens')]);
    for (const { token } of [first, second, third]) {
      expect(token).toMatch(/^[\w-]{43}$/);
      expect(stored).not.toContain(token);
    }
  },

  'two tabs that refresh at once get the same token': async (world) => {
    const { sessions } = world.auth;
    const { token } = await sessions.create(await world.person());
    const answers = await Promise.all([1, 2, 3].map(() => world.another().sessions.refresh(token)));
    expect(new Set(answers.map((answer) => answer.token)).size).toBe(1);
    expect(await sessions.refresh(answers[0]!.token)).toMatchObject({ sessionId: answers[0]!.sessionId });
    // The answer was lost, and others have gone on meanwhile.
    const late = await sessions.refresh(token);
    expect(await sessions.refresh(late.token)).toMatchObject({ sessionId: late.sessionId });
  },

  'a replaced token that comes again later ends the session for everybody': async (world) => {
    const { sessions } = world.auth;
    const userId = await world.person();
    const stolen = await sessions.create(userId);
    const valid = await sessions.refresh(stolen.token);
    world.later(31_000);
    await expect(sessions.refresh(stolen.token)).rejects.toEqual(refused);
    await expect(sessions.refresh(valid.token)).rejects.toEqual(refused);
    expect(await world.endings(userId)).toEqual([{ userId, sessionId: stolen.sessionId }]);
  },

  'an invented token opens nothing and ends nothing': async (world) => {
    const { sessions } = world.auth;
    const { token } = await sessions.create(await world.person());
    await expect(sessions.refresh(randomBytes(32).toString('base64url'))).rejects.toEqual(refused);
    await expect(sessions.refresh('')).rejects.toEqual(refused);
    await sessions.end('nothing');
    expect(await sessions.refresh(token)).toBeDefined();
  },

  'a session ends when it is not used, and at last also when it is': async (world) => {
    const { sessions } = world.auth;
    const idle = await sessions.create(await world.person());
    world.later(IDLE_MS + 1);
    await expect(sessions.refresh(idle.token)).rejects.toEqual(refused);
    const { sessionId, token: made } = await sessions.create(await world.person());
    let token = made;
    let refreshed = 0;
    const use = async () => {
      for (;;) {
        world.later(20 * DAY_MS);
        token = (await sessions.refresh(token)).token;
        refreshed++;
      }
    };
    await expect(use()).rejects.toEqual(refused);
    expect(refreshed).toBe(8); // 180 days
    const kept = (await world.rows('session_spent_tokens')).filter((row) => row.session_id === sessionId);
    const spentAt = kept.map((row) => new Date(row.spent_at as string).getTime());
    expect(spentAt.length).toBeGreaterThan(0);
    expect(Math.min(...spentAt)).toBeGreaterThan(world.clock.wallTime() - 60 * DAY_MS);
  },

  'signing out ends the session, also by a token that was replaced; the gateways hear of it': async (
    world,
  ) => {
    const { sessions } = world.auth;
    const userId = await world.person();
    const first = await sessions.create(userId);
    const second = await sessions.refresh(first.token);
    await sessions.end(first.token);
    await expect(sessions.refresh(second.token)).rejects.toEqual(refused);
    await sessions.end(first.token);
    expect(await world.endings(userId)).toEqual([{ userId, sessionId: first.sessionId }]);
  },

  'a session that has ended is known until no access token of it is taken any more, however it has ended':
    async (world) => {
      const { sessions } = world.auth;
      const userId = await world.person();
      const [out, ended, stolen, open] = await Promise.all([1, 2, 3, 4].map(() => sessions.create(userId)));
      await sessions.refresh(stolen!.token);
      world.later(31_000);
      await Promise.all([sessions.end(out!.token), sessions.end(out!.token)]);
      await sessions.endOne(userId, ended!.sessionId);
      await expect(sessions.refresh(stolen!.token)).rejects.toEqual(refused);
      const gone = [out, ended, stolen].map((session) => session!.sessionId);
      const known = async () => (await world.another().revokedIds()).filter((id) => gone.includes(id)).sort();
      expect(await known()).toEqual([...gone].sort());
      expect(await world.auth.revokedIds()).not.toContain(open!.sessionId);
      // The life of tokens may have been the longest one until just now.
      world.later(LONGEST_ACCESS_TOKEN_SECONDS * 1_000 + TOLERANCE_MS);
      expect(await known()).toEqual([...gone].sort());
      world.later(60_001);
      expect(await known()).toEqual([]);
      await sessions.end(open!.token);
      const rows = (await world.rows('ended_sessions')).map(({ id }) => id);
      expect(rows.filter((id) => gone.includes(id as string))).toEqual([]);
      expect(rows).toContain(open!.sessionId);
    },

  'one sees and ends the own sessions and no others': async (world) => {
    const { sessions } = world.auth;
    const [userId, stranger] = [await world.person(), await world.person()];
    const phone = await sessions.create(userId, 'phone'.repeat(100));
    world.later(1_000);
    const desk = await sessions.create(userId, 'desk');
    const seen = await sessions.list(userId, { currentId: desk.sessionId });
    expect(seen.rows).toMatchObject([
      { id: desk.sessionId, userAgent: 'desk', isCurrent: true },
      { id: phone.sessionId, isCurrent: false },
    ]);
    expect(JSON.stringify(seen)).not.toContain('token');
    await expect(sessions.endOne(stranger, phone.sessionId)).rejects.toMatchObject({ type: 'NOT_FOUND' });
    await sessions.endOne(userId, phone.sessionId);
    await expect(sessions.refresh(phone.token)).rejects.toEqual(refused);
    expect((await sessions.list(userId)).total).toBe(1);
    expect(await world.endings(userId)).toEqual([{ userId, sessionId: phone.sessionId }]);
  },

  'an access token says whose it is until it ends': async (world) => {
    const userId = await world.person();
    const { token, expiresAtMs } = await world.auth.tokens.issue({ userId, sessionId: 's1', name: 'Ada' });
    expect(await world.verify(token)).toEqual({
      kind: 'user',
      userId,
      sessionId: 's1',
      name: 'Ada',
      expiresAtMs,
    });
    expect(Math.abs(expiresAtMs - world.clock.wallTime() - TOKEN_MS)).toBeLessThan(3_000);
    world.later(TOKEN_MS + 1_000);
    expect(await world.verify(token)).toBeDefined(); // clocks differ
    world.later(6_000);
    await expect(world.verify(token)).rejects.toEqual(refused);
  },

  'keys follow each other: the next is known before it signs, the last one proves until its tokens have ended':
    async (world) => {
      const owner = { userId: await world.person(), sessionId: 's', name: 'Ada' };
      const kidOf = (token: string) => decodeProtectedHeader(token).kid;
      const known = async () => (await world.another().keys.publicKeys()).keys.map(({ kid }) => kid);
      const old = (await Promise.all([1, 2, 3].map(() => world.another().tokens.issue(owner)))).map(
        ({ token }) => kidOf(token),
      );
      expect(new Set(old).size).toBe(1);
      world.later(29.5 * DAY_MS);
      const { token } = await world.auth.tokens.issue(owner);
      expect(kidOf(token)).toBe(old[0]);
      const both = await known();
      expect(both).toHaveLength(2);
      world.later(0.5 * DAY_MS);
      const next = (await world.auth.tokens.issue(owner)).token;
      expect(kidOf(next)).not.toBe(old[0]);
      expect(both).toContain(kidOf(next));
      expect(await known()).toContain(old[0]);
      world.later(1.1 * DAY_MS);
      expect(await known()).not.toContain(old[0]);
      await expect(world.verify(token)).rejects.toEqual(refused);
    },

  'private keys are sealed; with another secret other keys sign, and the old ones still prove': async (
    world,
  ) => {
    const owner = { userId: await world.person(), sessionId: 's', name: 'Ada' };
    const before = await world.auth.tokens.issue(owner);
    for (const row of await world.rows('signing_keys')) {
      expect(JSON.stringify(row.public_jwk)).not.toContain('"d"');
      expect(String(row.private_jwk)).toMatch(/^[\w-]{100,}$/);
      expect(Buffer.from(String(row.private_jwk), 'base64url').toString('latin1')).not.toContain('"d"');
    }
    const moved = world.another(randomBytes(32).toString('hex'));
    const after = await moved.tokens.issue(owner);
    world.later(61_000);
    expect(await world.verify(before.token)).toBeDefined();
    expect(await world.verify(after.token)).toBeDefined();
  },
});

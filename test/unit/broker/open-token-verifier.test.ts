import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type JSONWebKeySet, type JWTPayload } from 'jose';
import { openTokenVerifier } from '../../../lib/broker/open-token-verifier.ts';
import type { Runtime } from '../../../lib/broker/runtime.ts';
import { tokenVerifierOf } from '../../../lib/broker/token-verifier.ts';
import { systemClock } from '../../../lib/clock.ts';
import { loadConfig, type Config } from '../../../lib/config.ts';
import { AppError } from '../../../lib/errors.ts';
import { listen } from '../../../lib/http/listen.ts';
import { silentLogger } from '../../../lib/log.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function keyPair(kid: string, alg: string) {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const sign = (claims: JWTPayload, typ?: string) =>
    new SignJWT(claims).setProtectedHeader({ alg, kid, ...(typ ? { typ } : {}) }).sign(privateKey);
  return { sign, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

type Call = (action: string) => Promise<unknown>;

function verifierFor(config: Partial<Config>, call: Call = () => Promise.reject(new Error('no call'))) {
  let laterMs = 0;
  // It stands still: what may be done once a second is done as often on a slow machine.
  const clock = { ...systemClock, now: () => laterMs };
  const runtime = { config: loadConfig({}, config), clock, logger: silentLogger } as unknown as Runtime;
  openTokenVerifier({ call } as never, runtime);
  const later = (ms: number) => void (laterMs += ms);
  return { verify: tokenVerifierOf(runtime), later };
}

const inAMinute = () => Math.floor(Date.now() / 1_000) + 60;
const refused = { type: 'UNAUTHENTICATED' };

describe('tokens of another product', () => {
  const names = { jwtIssuer: 'https://issuer.test', jwtAudience: 'boards' };
  const claims = (more: JWTPayload = {}) => ({
    iss: names.jwtIssuer,
    aud: names.jwtAudience,
    sub: 'u1',
    exp: inAMinute(),
    ...more,
  });

  async function setup(keys: object[], status = 200) {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
    });
    servers.push(server);
    const jwksUrl = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}/jwks`;
    return verifierFor({ auth: 'jwt', jwksUrl, ...names }).verify;
  }

  it('say who it is, which tenant and which rooms', async () => {
    const [ec, rsa] = [await keyPair('a', 'ES256'), await keyPair('b', 'RS256')];
    const verify = await setup([ec.jwk, rsa.jwk]);
    const rooms = { plan: 'editor', 'p*': 'viewer', bad: 'root', worse: 1 };
    expect(await verify(await ec.sign(claims({ tenant: 't1', name: 'Ada', rooms })))).toMatchObject({
      kind: 'user',
      userId: 'u1',
      tenantId: 't1',
      name: 'Ada',
      rooms: { plan: 'editor', 'p*': 'viewer' },
    });
    const plain = await verify(await rsa.sign(claims({ tenant: 'not/a tenant', rooms: ['plan'] })));
    expect([plain.tenantId, plain.rooms]).toEqual([undefined, undefined]);
  });

  it.each<[string, JWTPayload]>([
    ['another issuer', { iss: 'https://other.test' }],
    ['another audience', { aud: 'mail' }],
    ['an end in the past', { exp: Math.floor(Date.now() / 1_000) - 10 }],
    ['no end', { exp: undefined }],
    ['a beginning in the future', { nbf: Math.floor(Date.now() / 1_000) + 3_600 }],
    ['nobody', { sub: undefined }],
  ])('with %s are refused', async (_, more) => {
    const key = await keyPair('a', 'ES256');
    const verify = await setup([key.jwk]);
    await expect(verify(await key.sign(claims(more)))).rejects.toMatchObject(refused);
  });

  it('that nobody has signed, or somebody else, prove nothing', async () => {
    const [ec, rsa] = [await keyPair('a', 'ES256'), await keyPair('b', 'RS256')];
    const verify = await setup([ec.jwk, rsa.jwk]);
    const genuine = await ec.sign(claims());
    expect(await verify(genuine)).toMatchObject({ userId: 'u1' });
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [head, , signature] = genuine.split('.');
    const body = encode(claims({ sub: 'somebody else' }));
    const byPublicKey = (jwk: object, kid: string) => {
      const secret = new TextEncoder().encode(JSON.stringify(jwk));
      return new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid }).sign(secret);
    };
    const forged: Record<string, string> = {
      'alg none': `${encode({ alg: 'none' })}.${body}.`,
      'alg none with the name of a key': `${encode({ alg: 'none', kid: 'a' })}.${body}.`,
      'alg none with a signature': `${encode({ alg: 'none', kid: 'a' })}.${body}.${signature}`,
      'other claims': `${head}.${body}.${signature}`,
      'no signature': `${head}.${body}.`,
      'a foreign key by the name of a known one': await (await keyPair('a', 'ES256')).sign(claims()),
      'a foreign RSA key by the name of a known one': await (await keyPair('b', 'RS256')).sign(claims()),
      'a known key of another kind': await (await keyPair('a', 'RS256')).sign(claims()),
      'a key that nobody knows': await (await keyPair('c', 'ES256')).sign(claims()),
      'the public key as a secret': await byPublicKey(ec.jwk, 'a'),
      'the public RSA key as a secret': await byPublicKey(rsa.jwk, 'b'),
    };
    const answers = await Promise.all(
      Object.entries(forged).map(async ([name, token]) => [
        name,
        await verify(token).then(
          () => 'believed',
          (error: { type?: string }) => error.type,
        ),
      ]),
    );
    expect(answers).toEqual(Object.keys(forged).map((name) => [name, 'UNAUTHENTICATED']));
  });

  it('by a symmetric key are refused also where the key set has one', async () => {
    const secret = new TextEncoder().encode('a secret of 32 bytes or somewhat more');
    const k = Buffer.from(secret).toString('base64url');
    const verify = await setup([{ kty: 'oct', k, kid: 's', alg: 'HS256' }]);
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 's' }).sign(secret);
    await expect(verify(token)).rejects.toMatchObject(refused);
  });

  it('cannot be told while the keys cannot be had: that is no refusal', async () => {
    const key = await keyPair('a', 'ES256');
    const token = await key.sign(claims());
    const away = verifierFor({ auth: 'jwt', jwksUrl: 'http://127.0.0.1:9/', ...names }).verify;
    await expect(away(token)).rejects.not.toMatchObject(refused);
    await expect((await setup([], 500))(token)).rejects.not.toMatchObject(refused);
    await expect((await setup([]))(token)).rejects.toMatchObject(refused);
    await expect(away('nonsense')).rejects.toMatchObject(refused);
  });
});

describe('tokens of the own accounts', () => {
  const claims = () => ({ iss: 'y-kafka', aud: 'y-kafka', sub: 'u1', sid: 's1', exp: inAMinute() });

  it('need one call for the keys, and another for a key that is new', async () => {
    const [one, two] = [await keyPair('1', 'ES256'), await keyPair('2', 'ES256')];
    const keys: JSONWebKeySet = { keys: [one.jwk] };
    let calls = 0;
    const { verify, later } = verifierFor({ auth: 'accounts' }, async (action) => {
      calls++;
      if (action !== 'auth.keys.list') throw new Error(action);
      return { keys: [...keys.keys] };
    });
    const sign = ({ sign: by }: typeof one) => by(claims(), 'at+jwt');
    const first = await sign(one);
    await Promise.all([1, 2, 3].map(() => verify(first)));
    expect(await verify(first)).toMatchObject({ userId: 'u1', sessionId: 's1' });
    expect(calls).toBe(1);
    // Whoever invents keys makes no calls with each token.
    for (let n = 0; n < 20; n++) await expect(verify(await sign(two))).rejects.toMatchObject(refused);
    expect(calls).toBe(1);
    keys.keys.push(two.jwk);
    later(1_001);
    expect(await verify(await sign(two))).toMatchObject({ userId: 'u1' });
    expect(calls).toBe(2);
  });

  it('give neither rooms nor a tenant, and are no other kind of token', async () => {
    const key = await keyPair('1', 'ES256');
    const { verify } = verifierFor({ auth: 'accounts' }, async () => ({ keys: [key.jwk] }));
    const more = { ...claims(), rooms: { '*': 'owner' }, tenant: 't1' };
    const principal = await verify(await key.sign(more, 'at+jwt'));
    expect([principal.rooms, principal.tenantId]).toEqual([undefined, undefined]);
    await expect(verify(await key.sign(claims(), 'JWT'))).rejects.toMatchObject(refused);
    await expect(verify(await key.sign(claims()))).rejects.toMatchObject(refused);
  });

  it('name what can be revoked: a service token without an id is none', async () => {
    const key = await keyPair('1', 'ES256');
    const { verify } = verifierFor({ auth: 'accounts' }, async () => ({ keys: [key.jwk] }));
    const service = { ...claims(), svc: true, tenant: 't1', rooms: { plan: 'editor' } };
    const principal = await verify(await key.sign({ ...service, jti: 'id-1' }, 'at+jwt'));
    expect(principal).toMatchObject({ kind: 'service', sessionId: 'id-1', rooms: { plan: 'editor' } });
    await expect(verify(await key.sign(service, 'at+jwt'))).rejects.toMatchObject(refused);
  });

  it('go on to be checked while the auth service is away', async () => {
    const key = await keyPair('1', 'ES256');
    let isAway = false;
    const { verify, later } = verifierFor({ auth: 'accounts' }, async () => {
      if (isAway) throw new AppError('SERVICE_UNAVAILABLE');
      return { keys: [key.jwk] };
    });
    const token = await key.sign(claims(), 'at+jwt');
    await verify(token);
    isAway = true;
    later(10 * 60_000);
    expect(await verify(token)).toMatchObject({ userId: 'u1' });
    const unknown = await (await keyPair('2', 'ES256')).sign(claims(), 'at+jwt');
    await expect(verify(unknown)).rejects.toMatchObject({ type: 'SERVICE_UNAVAILABLE' });
  });
});

import { decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose';
import { io } from 'socket.io-client';
import type { Auth } from '../../lib/accounts/auth.ts';
import { AccessTokens } from '../../lib/accounts/tokens.ts';
import type { Clock } from '../../lib/clock.ts';

/** What somebody might show instead of an access token, by what is wrong with it. */
export async function forgedTokens(
  accessToken: string,
  { keys }: Pick<Auth, 'keys'>,
  clock: Clock,
): Promise<Record<string, string | undefined>> {
  const [head, , signature] = accessToken.split('.');
  const claims = { sub: 'x', iss: 'y-kafka', aud: 'y-kafka', exp: Date.now() / 1_000 + 600 };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const pair = await generateKeyPair('ES256');
  const kid = decodeProtectedHeader(accessToken).kid!;
  const foreign = new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid });
  const owner = { userId: 'x', sessionId: 's', name: 'x' };
  const made = async (audience: string, lifeMs: number) =>
    (await new AccessTokens(keys, { issuer: 'y-kafka', audience, lifeMs, clock }).issue(owner)).token;
  return {
    none: undefined,
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claims)}.`,
    'alg none with a signature': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${encode(claims)}.${signature}`,
    'other claims': `${head}.${encode(claims)}.${signature}`,
    'a foreign key': await foreign.sign(pair.privateKey),
    'the public key as a secret': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid })
      .sign(new TextEncoder().encode(JSON.stringify((await keys.publicKeys()).keys[0]))),
    'another audience': await made('another', 60_000),
    expired: await made('y-kafka', -10_000),
  };
}

/** Connects by the token: `connected`, or the code of the refusal. */
export function handshake(url: string, token: string | undefined): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = io(url, {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      auth: { token },
    });
    const end = (outcome: unknown) => {
      socket.disconnect();
      resolve(outcome);
    };
    socket.on('connect', () => end('connected'));
    socket.on('connect_error', (error) => end((error as { data?: { code?: string } }).data?.code));
  });
}

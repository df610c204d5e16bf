import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CompactJWSHeaderParameters, JWK, JWTPayload } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import { listen } from '../../lib/http/listen.ts';
import { OpenIdStorage } from './openid-storage.ts';

export interface TestPerson {
  email?: string;
  email_verified?: boolean;
  name?: string;
  picture?: string;
}

const SIGN_IN_PATH = '/sign-in/';
const TOKEN_PATH = '/token';
/** In a request that is the provider's own. */
const UNTOUCHED = 'x-untouched';
const MINUTE = 60;
const CLIENT = { client_id: 'ykafka', client_secret: 'provider-secret-0123456789-0123456789' };

/** A real OpenID provider on loopback. Whoever signs in there is who `person` names. */
export class OpenIdServer {
  readonly people = new Map<string, TestPerson>();
  /** Rewrites the claims of every ID token, which is signed by the right key all the same. */
  forge: ((claims: JWTPayload) => JWTPayload) | undefined;
  /** Away: connections are cut. Behind a proxy: that answers, with a page about a bad gateway. */
  trouble: 'away' | 'behind a proxy' | undefined;
  issuer = '';
  readonly #server: Server;
  readonly #key: JWK;
  readonly #storage = new OpenIdStorage();

  private constructor(server: Server, key: JWK) {
    this.#server = server;
    this.#key = key;
  }

  static async start(): Promise<OpenIdServer> {
    const server = createServer();
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const own = new OpenIdServer(server, { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' });
    server.on('connection', (socket) => {
      if (own.trouble === 'away') socket.destroy();
    });
    own.issuer = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
    return own;
  }

  /** Takes sign-ins of the servers at these URLs. To be called once. */
  serve(...clientUrls: string[]): void {
    const configuration: Configuration = {
      clients: [{ ...CLIENT, redirect_uris: clientUrls.map((url) => `${url}/api/auth/test/callback`) }],
      claims: { email: ['email', 'email_verified'], profile: ['name', 'picture'] },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...this.people.get(id) }) }),
      pkce: { required: () => true },
      adapter: (kind: string) => this.#storage.adapter(kind),
      jwks: { keys: [this.#key as never] },
      cookies: { keys: ['cookie key of a test'] },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context, { uid }) => `${SIGN_IN_PATH}${uid}` },
      // Whoever signs in lets the client know what it asks for.
      async loadExistingGrant({ oidc }) {
        const grant = new oidc.provider.Grant({
          accountId: oidc.session!.accountId!,
          clientId: oidc.client!.clientId,
        });
        grant.addOIDCScope('openid email profile');
        await grant.save();
        return grant;
      },
      ttl: {
        AccessToken: MINUTE,
        AuthorizationCode: MINUTE,
        Grant: 10 * MINUTE,
        IdToken: MINUTE,
        Interaction: 10 * MINUTE,
        Session: 10 * MINUTE,
      },
    };
    const provider = new Provider(this.issuer, configuration);
    const handle = provider.callback();
    this.#server.on('request', (request, response) => {
      if (this.trouble !== undefined) return sendBadGateway(response);
      if (request.url === TOKEN_PATH && this.forge && !request.headers[UNTOUCHED])
        return void this.#answerForged(request, response);
      const isSignIn = request.url?.startsWith(SIGN_IN_PATH);
      void (isSignIn ? signIn(provider, request, response) : handle(request, response));
    });
  }

  /** From now on, also for connections that are open. */
  breakOff(trouble: 'away' | 'behind a proxy'): void {
    this.trouble = trouble;
    this.#server.closeAllConnections();
  }

  /** What the provider answers, but for the claims. */
  async #answerForged(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization, 'content-type': contentType = '' } = request.headers;
    const answer = await fetch(`${this.issuer}${TOKEN_PATH}`, {
      method: 'POST',
      headers: { 'content-type': contentType, ...(authorization && { authorization }), [UNTOUCHED]: 'yes' },
      body: await textOf(request),
    });
    const tokens = (await answer.json()) as { id_token?: string };
    if (tokens.id_token !== undefined) tokens.id_token = await this.#forged(tokens.id_token);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(tokens));
  }

  #forged(token: string): Promise<string> {
    const header = decodeProtectedHeader(token) as CompactJWSHeaderParameters;
    return new SignJWT(this.forge!(decodeJwt(token))).setProtectedHeader(header).sign(this.#key);
  }

  get settings(): string {
    const { client_id: clientId, client_secret: clientSecret } = CLIENT;
    return JSON.stringify({ test: { issuer: this.issuer, clientId, clientSecret, label: 'Test' } });
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** The page on which one says who one is: any password will do. */
async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    const page = `<form method="post" action="${request.url}"><input name="login"><input name="password"></form>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    return;
  }
  const accountId = new URLSearchParams(await textOf(request)).get('login') ?? '';
  await provider.interactionFinished(request, response, { login: { accountId } });
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

function sendBadGateway(response: ServerResponse): void {
  response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
}

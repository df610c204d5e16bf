import { createServer, type Server } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';
import { listen } from '../../lib/http/listen.ts';

export interface TestPerson {
  email?: string;
  email_verified?: boolean;
  name?: string;
  picture?: string;
}

const CLIENT = { client_id: 'ykafka', client_secret: 'provider-secret-0123456789-0123456789' };

/** A real OpenID provider on loopback. Whoever signs in there is who `person` names. */
export class OpenIdServer {
  readonly people = new Map<string, TestPerson>();
  issuer = '';
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<OpenIdServer> {
    const server = createServer();
    const own = new OpenIdServer(server);
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
      features: { devInteractions: { enabled: true } },
      cookies: { keys: ['cookie key of a test'] },
    };
    const provider = new Provider(this.issuer, configuration);
    const handle = provider.callback();
    this.#server.on('request', (request, response) => void handle(request, response));
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

import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { listen } from '../../lib/http/listen.ts';

/** Another product that gives its people tokens, with a key set that can be asked for. */
export class ProductTokens {
  readonly issuer = 'https://product.test';
  readonly audience = 'boards';
  readonly jwksUrl: string;
  readonly #server: Server;
  readonly #key: CryptoKey;

  private constructor(parts: { jwksUrl: string; server: Server; key: CryptoKey }) {
    this.jwksUrl = parts.jwksUrl;
    this.#server = parts.server;
    this.#key = parts.key;
  }

  static async start(): Promise<ProductTokens> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
    });
    const jwksUrl = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}/`;
    return new ProductTokens({ jwksUrl, server, key: privateKey });
  }

  tokenOf(subject: string, claims: object = {}): Promise<string> {
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject(subject)
      .setIssuer(this.issuer)
      .setAudience(this.audience)
      .setExpirationTime('10m')
      .sign(this.#key);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listen } from '../../lib/http/listen.ts';

export interface WebhookQuestion {
  userId: string;
  tenantId: string;
  roomId: string;
}

type Answer = (question: WebhookQuestion, response: ServerResponse) => void;

/** Another product that says who has which role; every question is checked as Standard Webhooks say. */
export class WebhookServer {
  readonly secret = `whsec_${Buffer.from('a secret of the test: 32 bytes..').toString('base64')}`;
  readonly questions: WebhookQuestion[] = [];
  /** Questions that are not signed by the secret, or not in the way that is described. */
  readonly unproven: string[] = [];
  /** By `tenant/room/user`; null for nobody. */
  readonly roles = new Map<string, string>();
  answer: Answer = ({ userId, tenantId, roomId }, response) => {
    const role = this.roles.get(`${tenantId}/${roomId}/${userId}`) ?? null;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ role }));
  };
  url = '';
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(): Promise<WebhookServer> {
    const made = new WebhookServer();
    made.url = `http://127.0.0.1:${await listen(made.#server, '127.0.0.1', 0)}/roles`;
    return made;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers;
    const key = Buffer.from(this.secret.replace('whsec_', ''), 'base64');
    const expected = `v1,${createHmac('sha256', key)
      .update(`${String(id)}.${String(at)}.${body}`)
      .digest('base64')}`;
    const isRecent = Math.abs(Date.now() / 1_000 - Number(at)) < 300;
    if (signature !== expected || !isRecent || request.method !== 'POST') this.unproven.push(body);
    const question = JSON.parse(body) as WebhookQuestion;
    this.questions.push(question);
    this.answer(question, response);
  }
}

import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock as clock } from '../../../lib/clock.ts';
import { createRoleWebhook } from '../../../lib/gateway/role-webhook.ts';
import { listen } from '../../../lib/http/listen.ts';
import { WebhookServer } from '../../support/webhook-server.ts';

let product: WebhookServer;
let ids = 0;

beforeAll(async () => {
  product = await WebhookServer.start();
});
beforeEach(() => {
  product.questions.length = 0;
});
afterAll(() => product.stop());

const ask = (limitMs = 30_000, secret = product.secret) =>
  createRoleWebhook({ url: product.url, secret, limitMs, clock, randomId: () => String(++ids) })(
    'ann',
    'plan',
    'acme',
  );

const says = (status: number, body: string, headers: Record<string, string> = {}) => {
  product.answer = (_question, response: ServerResponse) => response.writeHead(status, headers).end(body);
};
const unavailable = expect.objectContaining({ type: 'SERVICE_UNAVAILABLE', retryable: true });

describe('the webhook of another product', () => {
  it('is asked about one person and room, signed so that it knows by whom', async () => {
    says(200, '{"role":"editor"}');
    expect(await ask()).toEqual({ role: 'editor', tenantId: 'acme' });
    expect(product.questions).toEqual([{ userId: 'ann', tenantId: 'acme', roomId: 'plan' }]);
    expect(product.unproven).toEqual([]);
    await ask(30_000, `whsec_${Buffer.from('another secret, as long as that').toString('base64')}`);
    expect(product.unproven).toHaveLength(1);
  });

  it.each([
    [200, '{"role":null}'],
    [404, '{"role":null}'],
  ])('says %i %s for nobody', async (status, body) => {
    says(status, body);
    expect(await ask()).toBeUndefined();
  });

  it.each([
    [404, 'not found'],
    [404, '{"role":"editor"}'],
    [200, '{"role":"admin"}'],
    [200, '{}'],
    [200, 'null'],
    [200, ''],
    [200, `{"role":"editor","why":"${'x'.repeat(5_000)}"}`],
    [401, '{"role":null}'],
    [500, '{"role":"editor"}'],
    [503, ''],
  ])('says nothing by %i (case %#)', async (status, body) => {
    says(status, body);
    await expect(ask()).rejects.toEqual(unavailable);
  });

  it('is not followed to another address', async () => {
    let asked = 0;
    const other = createServer((_request, response) => {
      asked++;
      response.end('{"role":"owner"}');
    });
    const port = await listen(other, '127.0.0.1', 0);
    for (const status of [302, 307]) {
      says(status, '', { location: `http://127.0.0.1:${port}/` });
      await expect(ask()).rejects.toEqual(unavailable);
    }
    expect(asked).toBe(0);
    other.close();
  });

  it('is not waited for without end, at whatever point it hangs', async () => {
    product.answer = () => undefined;
    await expect(ask(100)).rejects.toEqual(unavailable);
    product.answer = (_question, response) => void response.writeHead(200).write('{"role":');
    await expect(ask(100)).rejects.toEqual(unavailable);
  });

  it('may be away', async () => {
    const away = await WebhookServer.start();
    await away.stop();
    const parts = { secret: away.secret, limitMs: 30_000, clock, randomId: () => 'x' };
    await expect(createRoleWebhook({ url: away.url, ...parts })('a', 'b', 'c')).rejects.toEqual(unavailable);
  });
});

import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { AT_ONCE } from '../support/at-once.ts';
import { BoardEditor } from '../support/board-editor.ts';
import { startTestCluster, type TestCluster } from '../support/cluster.ts';
import { ProductTokens } from '../support/product-tokens.ts';
import { waitFor } from '../support/wait.ts';
import { WebhookServer } from '../support/webhook-server.ts';

jest.setTimeout(900_000);

const SECRET = 'an internal secret that is long enough';

let product: WebhookServer;
let tokens: ProductTokens;
let cluster: TestCluster;
const editors: BoardEditor[] = [];

beforeAll(async () => {
  [product, tokens] = await Promise.all([WebhookServer.start(), ProductTokens.start()]);
  cluster = await startTestCluster({
    env: {
      AUTH: 'jwt',
      JWKS_URL: tokens.jwksUrl,
      JWT_ISSUER: tokens.issuer,
      JWT_AUDIENCE: tokens.audience,
      JWT_WEBHOOK_URL: product.url,
      JWT_WEBHOOK_SECRET: product.secret,
      YKAFKA_INTERNAL_SECRET: SECRET,
    },
  });
});
afterAll(async () => {
  for (const editor of editors) editor.close();
  await cluster?.stop();
  await product.stop();
  tokens.stop();
});

/** At the gateway of this index. */
async function edit(roomId: string, sub: string, gateway: number): Promise<BoardEditor> {
  const url = cluster.urls[gateway]!;
  const editor = new BoardEditor(roomId, { url, getToken: () => tokens.tokenOf(sub, { tenant: 'acme' }) });
  editors.push(editor);
  return editor.synced();
}

/** Tells the first gateway. */
async function tell(change: object, secret = SECRET): Promise<number> {
  const { internalUrl } = cluster.processes.get('gateway-1')!;
  const response = await fetch(`${internalUrl}/internal/access-changes`, {
    method: 'POST',
    headers: { authorization: `Internal-Secret ${secret}` },
    body: JSON.stringify(change),
  });
  await response.text();
  return response.status;
}

it('what one gateway is told of rights every gateway does, at once', async () => {
  product.roles.set('acme/plan/ann', 'editor').set('acme/plan/bob', 'editor');
  const [here, there, bob] = [
    await edit('plan', 'ann', 0),
    await edit('plan', 'ann', 1),
    await edit('plan', 'bob', 1),
  ];
  here.type('together ');
  await waitFor(() => there.text === 'together ' && bob.text === 'together ');

  expect(await tell({ userId: 'ann', roomId: 'plan' }, `${SECRET}!`)).toBe(401);
  product.roles.set('acme/plan/ann', 'viewer');
  expect(await tell({ userId: 'ann', roomId: 'plan', tenantId: 'acme' })).toBe(202);
  await waitFor(() => here.state.isReadOnly && there.state.isReadOnly, {
    ...AT_ONCE,
    what: 'she is a reader at both',
  });
  bob.type('and alone');
  await waitFor(() => here.text === 'together and alone' && there.text === 'together and alone');
  expect(bob.state.isReadOnly).toBe(false);

  product.roles.delete('acme/plan/bob');
  expect(await tell({ userId: 'bob', revoked: true })).toBe(202);
  await waitFor(() => bob.denied.length > 0, { ...AT_ONCE, what: 'he is out' });
  expect(bob.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
  expect([product.unproven, cluster.complaints]).toEqual([[], []]);
});

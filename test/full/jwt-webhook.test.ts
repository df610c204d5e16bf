import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AccessChange } from '../../lib/lifecycle/access-record.ts';
import { AT_ONCE } from '../support/at-once.ts';
import { BoardEditor } from '../support/board-editor.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { ProductTokens } from '../support/product-tokens.ts';
import { waitFor } from '../support/wait.ts';
import { WebhookServer } from '../support/webhook-server.ts';

const LATER = { timeoutMs: 60_000 };
const SECRET = 'an internal secret that is long enough';

let product: WebhookServer;
let tokens: ProductTokens;
let server: TestServer;
const editors: BoardEditor[] = [];

beforeAll(async () => {
  product = await WebhookServer.start();
  tokens = await ProductTokens.start();
  server = await startEmbedded({
    auth: 'jwt',
    jwksUrl: tokens.jwksUrl,
    jwtIssuer: tokens.issuer,
    jwtAudience: tokens.audience,
    jwtWebhookUrl: product.url,
    jwtWebhookSecret: product.secret,
    internalSecret: SECRET,
    // Longer than what has to happen at once may take.
    accessTtlMs: 6_000,
  });
});
afterEach(() => {
  for (const editor of editors.splice(0)) editor.close();
  product.roles.clear();
  product.questions.length = 0;
});
afterAll(async () => {
  await stopServers();
  await product.stop();
  tokens.stop();
});

/** The room in an editor of who has this token. */
function edit(roomId: string, sub: string, claims: object = { tenant: 'acme' }): BoardEditor {
  const editor = new BoardEditor(roomId, { url: server.url, getToken: () => tokens.tokenOf(sub, claims) });
  editors.push(editor);
  return editor;
}

/** As the product does, at the internal listener. */
async function announce(change: AccessChange): Promise<void> {
  const response = await fetch(`${server.internalUrl}/internal/access-changes`, {
    method: 'POST',
    headers: { authorization: `Internal-Secret ${SECRET}` },
    body: JSON.stringify(change),
  });
  expect(response.status).toBe(202);
}

describe('rooms and roles of another product, by its webhook', () => {
  it('are asked for once for a person and room; readers read, strangers do not', async () => {
    product.roles.set('acme/r1/ann', 'editor').set('acme/r1/bob', 'viewer');
    const [ann, bob] = [await edit('r1', 'ann').synced(), await edit('r1', 'bob').synced()];
    ann.type('written');
    await waitFor(() => bob.text === 'written');
    expect([ann.state.isReadOnly, bob.state.isReadOnly]).toEqual([false, true]);
    const eve = edit('r1', 'eve');
    await waitFor(() => eve.denied.length > 0);
    expect(eve.denied[0]).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(product.unproven).toEqual([]);
  });

  it('of one user id in two tenants are those of two people, in two rooms', async () => {
    product.roles.set('acme/r2/7', 'editor').set('other/r2/7', 'viewer');
    const here = await edit('r2', '7', { tenant: 'acme' }).synced();
    const there = await edit('r2', '7', { tenant: 'other' }).synced();
    here.type('of acme');
    await here.saved();
    expect([here.state.isReadOnly, there.state.isReadOnly, there.text]).toEqual([false, true, '']);
    const none = edit('r2', '7', {});
    await waitFor(() => none.denied.length > 0);
    expect(product.questions).toContainEqual({ userId: '7', tenantId: 'default', roomId: 'r2' });
  });

  it('that a token names itself are not asked for', async () => {
    const ann = await edit('r3', 'ann', { tenant: 'acme', rooms: { r3: 'viewer' } }).synced();
    expect(ann.state.isReadOnly).toBe(true);
    const other = edit('r4', 'ann', { tenant: 'acme', rooms: { r3: 'viewer' } });
    await waitFor(() => other.denied.length > 0);
    expect(product.questions.filter(({ roomId }) => ['r3', 'r4'].includes(roomId))).toEqual([]);
  });

  it('are asked for again after a while: a change arrives also when nobody tells of it', async () => {
    product.roles.set('acme/r5/ann', 'editor');
    const ann = await edit('r5', 'ann').synced();
    product.roles.set('acme/r5/ann', 'viewer');
    await waitFor(() => ann.state.isReadOnly && ann.state.isSynced, { ...LATER, what: 'she is a reader' });
    product.roles.delete('acme/r5/ann');
    await waitFor(() => ann.denied.some(({ code }) => code === 'PERMISSION_DENIED'), LATER);
  });

  it('are asked for at once when a change is told; a revocation holds also while nobody can be asked', async () => {
    product.roles.set('acme/r6/ann', 'editor');
    const ann = await edit('r6', 'ann').synced();
    product.roles.set('acme/r6/ann', 'viewer');
    await announce({ userId: 'ann', roomId: 'r6', tenantId: 'acme' });
    await waitFor(() => ann.state.isReadOnly, { ...AT_ONCE, what: 'she is a reader at once' });

    product.roles.set('acme/r6/bob', 'editor');
    const bob = await edit('r6', 'bob').synced();
    const answers = product.answer;
    product.answer = (_question, response) => response.writeHead(500).end();
    try {
      await announce({ userId: 'bob', roomId: 'r6', revoked: true });
      await waitFor(() => bob.denied.length > 0, { ...AT_ONCE, what: 'he is out at once' });
      const again = edit('r6', 'bob');
      const asked = product.questions.length;
      await waitFor(() => product.questions.length >= asked + 2, { what: 'it is tried again' });
      expect([again.state.isSynced, again.denied]).toEqual([false, []]);
      product.answer = answers;
      await again.synced();
    } finally {
      product.answer = answers;
    }
  });
});

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import * as Y from 'yjs';
import { ProtocolManager, wrapYwasmGlue } from '../../lib/provider/index.ts';
import { startEmbedded, stopServers, type TestServer } from '../support/embedded.ts';
import { waitFor } from '../support/wait.ts';
import { closeBrowsers, openTab } from './chromium.ts';

let server: TestServer;
let files: Server;
let pageUrl: string;
const managers: ProtocolManager[] = [];

/** No `unsafe-eval`: the glue comes as a module, only WebAssembly may be compiled. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *";

async function pageFiles(): Promise<Record<string, { type: string; body: string | Buffer }>> {
  const { resolve } = createRequire(import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [new URL('ywasm-page.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
  });
  return {
    '/': {
      type: 'text/html',
      body: '<!doctype html><title>ywasm</title><script type="module" src="/page.js"></script>',
    },
    '/page.js': { type: 'text/javascript', body: outputFiles[0]!.text },
    '/ywasm-glue.js': {
      type: 'text/javascript',
      body: wrapYwasmGlue(await readFile(resolve('ywasm'), 'utf8')),
    },
    '/ywasm_bg.wasm': { type: 'application/wasm', body: await readFile(resolve('ywasm/ywasm_bg.wasm')) },
    '/favicon.ico': { type: 'image/x-icon', body: '' },
  };
}

beforeAll(async () => {
  server = await startEmbedded({ corsOrigins: ['*'] });
  const served = await pageFiles();
  files = createServer(({ url = '/' }, response) => {
    const file = served[url];
    if (!file) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file.type, 'content-security-policy': POLICY }).end(file.body);
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  pageUrl = `http://127.0.0.1:${(files.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  for (const manager of managers.splice(0)) manager.destroy();
  await closeBrowsers();
});
afterAll(async () => {
  files.close();
  await stopServers();
});

const SLOW = { timeoutMs: 60_000 };
const textIn = (page: Page) => page.evaluate(() => globalThis.ywasmPage.text());

describe('a ywasm document in a browser', () => {
  it('edits one text together with a Yjs document in Node, also after a trap', async () => {
    const tab = await openTab(pageUrl);
    const { page } = tab;
    await page.waitForFunction(() => 'ywasmPage' in globalThis);
    const room = 'ywasm-in-a-browser';
    await page.evaluate(([url, roomId]) => globalThis.ywasmPage.open(url, roomId), [
      server.url,
      room,
    ] as const);
    const manager = new ProtocolManager({ url: server.url, roomId: room });
    managers.push(manager);
    const doc = new Y.Doc();
    manager.addDoc(doc, { docId: 'doc' });
    await page.evaluate(() => globalThis.ywasmPage.insert(0, 'from the browser'));
    await waitFor(() => doc.getText('t').toString() === 'from the browser', SLOW);
    doc.getText('t').insert(0, 'and Node ');
    await waitFor(async () => (await textIn(page)) === 'and Node from the browser', SLOW);

    await page.evaluate(() => globalThis.ywasmPage.trap());
    doc.getText('t').insert(0, 'after the trap, ');
    await waitFor(() => page.evaluate(() => globalThis.ywasmPage.trapped() === 1), SLOW);
    await waitFor(async () => (await textIn(page)) === 'after the trap, and Node from the browser', SLOW);
    await page.evaluate(() => globalThis.ywasmPage.insert(0, 'again: '));
    await waitFor(() => doc.getText('t').toString().startsWith('again: after the trap'), SLOW);
    await waitFor(() => page.evaluate(() => globalThis.ywasmPage.isSaved()), SLOW);
    expect(tab.errors).toEqual([]);
  });
});

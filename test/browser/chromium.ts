import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page of its own browser profile, with everything that went wrong in it. */
export interface Tab {
  page: Page;
  /** Errors of the page and of the console; what the network says while the server is away is not among them. */
  errors: string[];
  /** Hosts that the page asked for anything. */
  hosts: Set<string>;
}

/** Of what a page is waited for, and of the browser's start. */
const PATIENCE_MS = 120_000;

const open: { context: BrowserContext; profile: string }[] = [];

/** Opens a URL in a new profile; closed by `closeBrowsers`. */
export async function openTab(url: string, options: BrowserContextOptions = {}): Promise<Tab> {
  const profile = await mkdtemp(join(tmpdir(), 'ykafka-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ARGS,
    viewport: { width: 1280, height: 800 },
    timeout: PATIENCE_MS,
    ...options,
  });
  open.push({ context, profile });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = context.pages()[0] ?? (await context.newPage());
  const tab: Tab = { page, errors: [], hosts: new Set() };
  page.on('pageerror', (error) => tab.errors.push(String(error)));
  page.on('console', (message) => {
    const isNetwork = /ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE)|WebSocket connection to/.test(
      message.text(),
    );
    if (message.type() === 'error' && !isNetwork) tab.errors.push(message.text());
  });
  page.on('request', (request) => tab.hosts.add(new URL(request.url()).host));
  await page.goto(url);
  return tab;
}

/** For `afterEach`. */
export async function closeBrowsers(): Promise<void> {
  await Promise.all(
    open.splice(0).map(async ({ context, profile }) => {
      await context.close();
      // Its last process may still write there.
      await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }),
  );
}

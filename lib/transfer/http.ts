import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { AppError } from '../errors.ts';
import { MEMORY_URL } from './memory.ts';
import type { BlobReference, BlobTransfer } from './port.ts';
import { ContentNames, SharedDownloads } from './shared-downloads.ts';
import { BlobStash, type StashOptions } from './stash.ts';

const PATH = '/internal/blobs/';
/** What one write hands to the socket at the most, so that a slow reader does not hold a second copy. */
const WRITE_BYTES = 64 * 1024;

export interface HttpTransferOptions extends StashOptions {
  /** Where other processes reach this one's listener, e.g. `http://10.0.0.7:4001`; asked at each offer. */
  baseUrl: () => string;
  /** Whether a host name of a reference may be asked; default: any, since references come from own services only. */
  isAllowedHost?: (host: string) => boolean;
}

export interface HttpTransfer extends BlobTransfer {
  /** Answers `GET /internal/blobs/<ticket>`; false when the request is not for it. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Hands bytes to other processes over HTTP, each once. */
export function createHttpTransfer(options: HttpTransferOptions): HttpTransfer {
  const stash = new BlobStash(options);
  const names = new ContentNames(options.randomId);
  const known = new SharedDownloads();
  const isAllowedHost = options.isAllowedHost ?? (() => true);

  return {
    offer: (bytes) => ({
      url: options.baseUrl(),
      ticket: stash.put(bytes),
      bytes: bytes.byteLength,
      content: names.of(bytes),
    }),
    async fetch(reference, timeoutMs) {
      // The own process needs no socket.
      if (reference.url === MEMORY_URL || reference.url === options.baseUrl()) {
        const bytes = stash.take(reference.ticket);
        if (!bytes) throw new AppError('SYNC_TICKET_UNKNOWN');
        return bytes;
      }
      const target = targetOf(reference, isAllowedHost);
      return known.get(reference, {
        download: () => download(target, reference.bytes, timeoutMs),
        release: () => release(target, timeoutMs),
      });
    },
    handle: blobRequestHandler(stash),
    close: async () => stash.clear(),
  };
}

/** The listener's part: streams what a ticket stands for, or forgets it (DELETE); a used, expired or unknown one is a 404. */
function blobRequestHandler(stash: BlobStash) {
  return (incoming: IncomingMessage, response: ServerResponse): boolean => {
    const path = incoming.url ?? '';
    if (!path.startsWith(PATH)) return false;
    if (incoming.method !== 'GET' && incoming.method !== 'DELETE') {
      response.writeHead(405, { allow: 'GET, DELETE' }).end();
      return true;
    }
    const bytes = stash.take(path.slice(PATH.length));
    if (bytes && incoming.method === 'DELETE') response.writeHead(204).end();
    else if (bytes) sendBytes(response, bytes);
    else response.writeHead(404).end();
    return true;
  };
}

function sendBytes(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
  });
  let at = 0;
  const writeOn = () => {
    while (at < bytes.byteLength && !response.destroyed) {
      const part = bytes.subarray(at, at + WRITE_BYTES);
      at += part.byteLength;
      if (!response.write(part)) return void response.once('drain', writeOn);
    }
    response.end();
  };
  writeOn();
}

function targetOf(reference: BlobReference, isAllowedHost: (host: string) => boolean): URL {
  const url = URL.canParse(reference.url) ? new URL(reference.url) : undefined;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || !isAllowedHost(url.hostname)) {
    throw new AppError('BAD_INPUT', { data: { field: 'url' } });
  }
  if (!/^[\w-]{16,128}$/.test(reference.ticket))
    throw new AppError('BAD_INPUT', { data: { field: 'ticket' } });
  if (!Number.isSafeInteger(reference.bytes) || reference.bytes < 0)
    throw new AppError('BAD_INPUT', { data: { field: 'bytes' } });
  url.pathname = PATH + reference.ticket;
  return url;
}

/** Tells the owner that nobody will come for it. Should it not hear, the ticket expires. */
function release(url: URL, timeoutMs: number): void {
  const outgoing = request(url, { method: 'DELETE', signal: AbortSignal.timeout(timeoutMs), agent: false });
  outgoing.once('error', () => undefined); // it expires by itself
  outgoing.once('response', (response) => response.resume());
  outgoing.end();
}

/** Reads exactly `byteCount` bytes within the time limit; no more is ever held. */
function download(url: URL, byteCount: number, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const unavailable = (cause: unknown) => reject(new AppError('SERVICE_UNAVAILABLE', { cause }));
    const signal = AbortSignal.timeout(timeoutMs);
    const outgoing = request(url, { signal, agent: false });
    outgoing.once('error', unavailable);
    outgoing.once('response', (response) => {
      response.once('error', unavailable);
      if (response.statusCode !== 200) {
        response.resume();
        if (response.statusCode === 404) reject(new AppError('SYNC_TICKET_UNKNOWN'));
        else unavailable(new Error(`status ${response.statusCode}`));
        return;
      }
      collect(response, byteCount).then(resolve, unavailable);
    });
    outgoing.end();
  });
}

async function collect(response: IncomingMessage, byteCount: number): Promise<Uint8Array> {
  if (Number(response.headers['content-length']) !== byteCount) {
    response.destroy();
    throw new Error('the length is not the one announced');
  }
  const bytes = new Uint8Array(byteCount);
  let at = 0;
  for await (const part of response as AsyncIterable<Uint8Array>) {
    if (at + part.byteLength > byteCount) throw new Error('longer than announced');
    bytes.set(part, at);
    at += part.byteLength;
  }
  if (at !== byteCount) throw new Error('shorter than announced');
  return bytes;
}

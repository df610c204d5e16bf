import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { HealthBoard } from '../health/board.ts';
import { listen } from '../http/listen.ts';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface InternalHttp {
  readonly port: number;
  close(): Promise<void>;
}

export interface InternalHttpOptions {
  host: string;
  port: number;
  health: HealthBoard;
  /** Tried in order after the health routes; the first that returns true has answered. */
  handlers: readonly RequestHandler[];
}

/** The listener of a process for probes and for what other processes fetch from it. Not for users. */
export async function openInternalHttp(options: InternalHttpOptions): Promise<InternalHttp> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (path === '/health' || path === '/health/ready')
      return void answerHealth(options.health, path, response);
    if (options.handlers.some((handle) => handle(request, response))) return;
    response.writeHead(404).end();
  });
  const port = await listen(server, options.host, options.port);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function answerHealth(health: HealthBoard, path: string, response: ServerResponse): Promise<void> {
  const report = await health.report();
  const status = path === '/health/ready' && report.status !== 'ok' ? 503 : 200;
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(report));
}

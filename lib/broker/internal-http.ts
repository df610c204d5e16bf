import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { HealthBoard } from '../health/board.ts';
import { answerHealth, answerLiveness, answerReadiness } from '../http/health.ts';
import { listen } from '../http/listen.ts';
import { answerMetrics } from '../http/metrics.ts';
import type { Metrics } from '../metrics.ts';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface InternalHttp {
  readonly port: number;
  close(): Promise<void>;
}

export interface InternalHttpOptions {
  host: string;
  port: number;
  health: HealthBoard;
  metrics: Metrics;
  /** Tried in order after the own routes; the first that returns true has answered. */
  handlers: readonly RequestHandler[];
}

/** The listener of a process for probes and for what other processes fetch from it. Not for users. */
export async function openInternalHttp(options: InternalHttpOptions): Promise<InternalHttp> {
  const server = createServer((request, response) => {
    switch (request.url?.split('?')[0]) {
      case '/health':
        return void answerHealth(options.health, response);
      case '/health/live':
        return answerLiveness(response);
      case '/health/ready':
        return void answerReadiness(options.health, response);
      case '/metrics':
        return void answerMetrics(options.metrics, response);
    }
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

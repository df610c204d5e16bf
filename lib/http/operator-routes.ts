import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config.ts';
import type { HealthBoard } from '../health/board.ts';
import type { Metrics } from '../metrics.ts';
import { answerHealth, answerReadiness } from './health.ts';
import { answerMetrics } from './metrics.ts';

export interface OperatorParts {
  config: Pick<Config, 'mode'>;
  health: HealthBoard;
  metrics: Metrics;
}

/** The routes of moleculer-web by which a gateway says how it is. */
export function operatorWebRoutes({ config, health, metrics }: OperatorParts) {
  return [
    {
      path: '/health',
      bodyParsers: false,
      mappingPolicy: 'restrict',
      aliases: {
        'GET /': (_: IncomingMessage, response: ServerResponse) => answerHealth(health, response),
        'GET /ready': (_: IncomingMessage, response: ServerResponse) => answerReadiness(health, response),
      },
    },
    {
      path: '/metrics',
      bodyParsers: false,
      mappingPolicy: 'restrict',
      aliases: {
        // Users reach this port: only a process without an internal listener, the embedded one, shows its metrics here.
        'GET /': async (_: IncomingMessage, response: ServerResponse) => {
          if (config.mode === 'embedded') await answerMetrics(metrics, response);
          else response.writeHead(404).end();
        },
      },
    },
  ] as const;
}

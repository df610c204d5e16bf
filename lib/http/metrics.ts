import type { ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';

/** `/metrics`: everything that this process measures, for Prometheus. */
export async function answerMetrics(metrics: Metrics, response: ServerResponse): Promise<void> {
  const text = await metrics.text();
  response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text);
}

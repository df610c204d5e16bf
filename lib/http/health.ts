import type { ServerResponse } from 'node:http';
import type { HealthBoard } from '../health/board.ts';

/** `/health/live`: 200 at once; asks nobody, so that a supervisor ends only a process that hangs itself. */
export function answerLiveness(response: ServerResponse): void {
  response
    .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end('{"live":true}');
}

/** `/health`: always 200 while the process answers, with what it knows of itself. */
export async function answerHealth(health: HealthBoard, response: ServerResponse): Promise<void> {
  await answer(health, response, () => 200);
}

/** `/health/ready`: 503 until every part is ready; for load balancers and rollouts. */
export async function answerReadiness(health: HealthBoard, response: ServerResponse): Promise<void> {
  await answer(health, response, (isReady) => (isReady ? 200 : 503));
}

async function answer(
  health: HealthBoard,
  response: ServerResponse,
  statusOf: (isReady: boolean) => number,
): Promise<void> {
  const report = await health.report();
  response
    .writeHead(statusOf(report.status === 'ok'), {
      'content-type': 'application/json',
      'cache-control': 'no-store',
    })
    .end(JSON.stringify(report));
}

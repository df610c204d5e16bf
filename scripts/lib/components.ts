import { existsSync } from 'node:fs';
import { kafkaAvailable } from '../dev/kafka.ts';
import { postgresAvailable } from '../dev/postgres.ts';
import { redisAvailable } from '../dev/redis.ts';

export type Component = 'kafka' | 'postgres' | 'redis' | 'chromium';

export function chromiumPath(): string | undefined {
  return [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
    (path) => path !== undefined && existsSync(path),
  );
}

/** Which real components this machine has: a running one named by the environment, or what it takes to start one. */
export async function findComponents(): Promise<Record<Component, boolean>> {
  return {
    kafka: process.env.KAFKA_BROKERS !== undefined || (await kafkaAvailable()),
    postgres: process.env.DATABASE_URL !== undefined || (await postgresAvailable()),
    redis: redisAvailable(),
    chromium: chromiumPath() !== undefined,
  };
}

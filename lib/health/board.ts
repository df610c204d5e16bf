/** What `/health` says: each part of the process reports for itself. */
export interface HealthReport {
  status: 'ok' | 'degraded' | 'starting';
  db: 'ok' | 'down' | 'unused';
  kafka: 'ok' | 'down' | 'unused';
  connections: number;
  rooms: number;
  parts: Record<string, { ready: boolean; [field: string]: unknown }>;
}

export type HealthProbe = () =>
  | { ready: boolean; connections?: number; rooms?: number; [field: string]: unknown }
  | Promise<{ ready: boolean; connections?: number; rooms?: number; [field: string]: unknown }>;

export interface HealthBoard {
  /** Adds or replaces the probe of a part (a service's name). */
  register(part: string, probe: HealthProbe): void;
  report(): Promise<HealthReport>;
}

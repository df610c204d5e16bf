import pg from 'pg';

export interface RetryKeySummary {
  rows: number;
  /** Retry keys of which more than one row has a payload: must be none. */
  doubled: number;
}

/** What `update_history` says about updates that came more than once. */
export async function summarizeRetryKeys(databaseUrl: string): Promise<RetryKeySummary> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const rows = await client.query<{ rows: string }>('SELECT count(*) AS rows FROM update_history');
    const doubled = await client.query<{ doubled: string }>(
      `SELECT count(*) AS doubled FROM (
         SELECT 1 FROM update_history WHERE payload IS NOT NULL
         GROUP BY document_id, generation, sender_id, client_version HAVING count(*) > 1) AS keys`,
    );
    return { rows: Number(rows.rows[0]!.rows), doubled: Number(doubled.rows[0]!.doubled) };
  } finally {
    await client.end();
  }
}

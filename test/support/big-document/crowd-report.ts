export interface CrowdReport {
  clients: number;
  /** States that began with a join's number: more than one for a client means that it started again. */
  states: number;
  /** Bytes of all chunks. */
  bytes: number;
  /** Digests of the updates that came, by the position that they lead to. */
  digests: Record<string, number>;
  refusals: Record<string, number>;
  firstMs: number;
  lastMs: number;
}

/** What several processes of thin clients saw, as of one. */
export function addCrowds(reports: readonly CrowdReport[]): CrowdReport {
  const sum: CrowdReport = {
    clients: 0,
    states: 0,
    bytes: 0,
    digests: {},
    refusals: {},
    firstMs: Infinity,
    lastMs: 0,
  };
  for (const report of reports) {
    sum.clients += report.clients;
    sum.states += report.states;
    sum.bytes += report.bytes;
    sum.firstMs = Math.min(sum.firstMs, report.firstMs);
    sum.lastMs = Math.max(sum.lastMs, report.lastMs);
    for (const part of ['digests', 'refusals'] as const)
      for (const [name, count] of Object.entries(report[part]))
        sum[part][name] = (sum[part][name] ?? 0) + count;
  }
  return sum;
}

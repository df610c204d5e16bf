/** Delay of the event loop by process, in ms, since the last look at it. */
export type EventLoopDelays = Record<string, { p50: number; p99: number; max: number }>;

/** Reads them from the metrics of each process; looking begins a new window. */
export async function readEventLoops(metricsUrls: ReadonlyMap<string, string>): Promise<EventLoopDelays> {
  const found = [...metricsUrls].map(async ([name, url]) => {
    const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(30_000) })).text();
    const ms = (metric: string) =>
      Math.round(
        1_000 * Number(new RegExp(`^nodejs_eventloop_lag_${metric}_seconds (\\S+)`, 'm').exec(text)?.[1]),
      );
    return [name, { p50: ms('p50'), p99: ms('p99'), max: ms('max') }] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

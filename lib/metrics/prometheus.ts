import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { systemClock, type Clock } from '../clock.ts';
import { METRICS, type MetricName, type Metrics } from '../metrics.ts';

/** Before each name: whose metric it is. */
export const METRIC_PREFIX = 'ykafka_';
/** A value that the list does not have. */
const OTHER = 'other';

type Labels = Record<string, string>;
type Row = {
  help: string;
  labels?: Readonly<Record<string, readonly string[]>>;
  buckets?: readonly number[];
};

type Read = () => number | undefined | Promise<number | undefined>;

/** Less than Prometheus waits (10 s): while the store hangs the page must be had, it tells of that. */
const READ_LIMIT_MS = 4_000;

let ofNode: Registry | undefined;

/**
 * Node's own metrics (event-loop delay, memory, garbage collection, handles), once for the process however many
 * registries it has: their collectors cannot be taken back.
 */
function nodeMetrics(): Registry {
  if (!ofNode) {
    ofNode = new Registry();
    collectDefaultMetrics({ register: ofNode });
  }
  return ofNode;
}

/** Metrics on prom-client, in a registry of their own. Every metric of the list is there from the start, with 0. */
export function createMetrics(clock: Pick<Clock, 'setTimeout'> = systemClock): Metrics {
  const registry = new Registry();
  const readers = new Map<MetricName, Read>();
  const reading = new Map<MetricName, Promise<void>>();
  const made = new Map<MetricName, Counter | Gauge | Histogram>();
  for (const name of Object.keys(METRICS) as MetricName[]) made.set(name, register(name, registry));
  const node = nodeMetrics();

  /** One that has not answered yet is not asked again; its answer counts when it comes. */
  const readOne = async (name: MetricName, read: Read) => {
    const value = await valueOf(read);
    reading.delete(name);
    if (value !== undefined) (made.get(name) as Gauge).set(value);
  };
  const refresh = async () => {
    for (const [name, read] of readers) if (!reading.has(name)) reading.set(name, readOne(name, read));
    let timer: { cancel(): void } | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, READ_LIMIT_MS);
    });
    await Promise.race([Promise.all(reading.values()), late]);
    timer?.cancel();
  };

  return {
    counter(name) {
      const counter = made.get(name) as Counter;
      const add = (amount: number, labels?: Labels) =>
        labels ? counter.inc(listed(name, labels), amount) : counter.inc(amount);
      return { inc: (labels?: Labels) => add(1, labels), add };
    },
    gauge(name) {
      const gauge = made.get(name) as Gauge;
      return {
        set: (value: number, labels?: Labels) =>
          labels ? gauge.set(listed(name, labels), value) : gauge.set(value),
      };
    },
    histogram(name) {
      const histogram = made.get(name) as Histogram;
      return {
        observe: (value: number, labels?: Labels) =>
          labels ? histogram.observe(listed(name, labels), value) : histogram.observe(value),
      };
    },
    watch(name, read) {
      readers.set(name, read);
    },
    async text() {
      await refresh();
      return `${await registry.metrics()}\n${await node.metrics()}`;
    },
    contentType: registry.contentType,
  };
}

function register(name: MetricName, registry: Registry): Counter | Gauge | Histogram {
  const { type } = METRICS[name];
  const row: Row = METRICS[name];
  const common = {
    name: `${METRIC_PREFIX}${name}`,
    help: row.help,
    labelNames: Object.keys(row.labels ?? {}),
    registers: [registry],
  };
  if (type === 'histogram') return new Histogram({ ...common, buckets: [...(row.buckets ?? [])] });
  if (type === 'gauge') return new Gauge(common);
  const counter = new Counter(common);
  // A series that appears with its first event hides that event from rate().
  for (const labels of combinations(row.labels)) counter.inc(labels, 0);
  return counter;
}

function combinations(labels: Row['labels'] = {}): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (found, [label, values]) => found.flatMap((one) => values.map((value) => ({ ...one, [label]: value }))),
    [{}],
  );
}

/** Types already say which values there are; what comes from elsewhere all the same must not become a new series. */
function listed(name: MetricName, labels: Labels): Labels {
  const { labels: known = {} }: Row = METRICS[name];
  const kept: Labels = {};
  for (const label of Object.keys(known)) {
    const value = labels[label];
    kept[label] = value !== undefined && known[label]!.includes(value) ? value : OTHER;
  }
  return kept;
}

async function valueOf(read: Read): Promise<number | undefined> {
  try {
    return await read();
  } catch {
    return undefined; // a part that cannot tell now: the page of the others must not fail for it
  }
}

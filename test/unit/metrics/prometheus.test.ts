import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { METRICS, noMetrics, type MetricName } from '../../../lib/metrics.ts';
import { createMetrics, METRIC_PREFIX } from '../../../lib/metrics/prometheus.ts';
import { ManualClock } from '../gateway/manual-clock.ts';
import { parseExposition, type Exposed } from './exposition.ts';

const valueOf = ({ samples }: Exposed, name: string, labels: Record<string, string> = {}) =>
  samples.find(
    (sample) =>
      sample.name === `${METRIC_PREFIX}${name}` && JSON.stringify(sample.labels) === JSON.stringify(labels),
  )?.value;

const names = Object.keys(METRICS) as MetricName[];

describe('the list of metrics', () => {
  it.each(names)('%s has a name and a help that say what it is', (name) => {
    const metric = METRICS[name];
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(metric.help).toMatch(/^[A-Z0-9].*\.$/);
    expect(name.endsWith('_total')).toBe(metric.type === 'counter');
    expect('buckets' in metric).toBe(metric.type === 'histogram');
    if (metric.type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
  });

  it('has no metric that nobody measures', () => {
    const code = ['lib', 'services']
      .flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
      )
      .filter((file) => file.endsWith('.ts') && file !== join('lib', 'metrics.ts'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    expect(names.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  });

  it('has few series, whatever is used', () => {
    for (const name of names) {
      const metric: { type: string; labels?: Record<string, readonly string[]> } = METRICS[name];
      const labels = Object.values(metric.labels ?? {});
      const series = labels.reduce((count, values) => count * values.length, 1);
      expect(series).toBeLessThanOrEqual(64);
      for (const values of labels) expect(new Set(values).size).toBe(values.length);
    }
  });
});

describe('createMetrics', () => {
  it('shows every metric from the start, in the text format of Prometheus, with those of Node', async () => {
    const exposed = parseExposition(await createMetrics().text());
    for (const name of names) expect(exposed.types.get(`${METRIC_PREFIX}${name}`)).toBe(METRICS[name].type);
    expect(valueOf(exposed, 'nacks_total', { code: 'OWED' })).toBe(0);
    for (const name of [
      'nodejs_eventloop_lag_seconds',
      'process_resident_memory_bytes',
      'nodejs_gc_duration_seconds',
      'nodejs_active_handles_total',
      'process_open_fds',
    ])
      expect(exposed.types.has(name)).toBe(true);
  });

  it('counts, sets and observes', async () => {
    const metrics = createMetrics();
    const nacks = metrics.counter('nacks_total');
    nacks.inc({ code: 'OWED' });
    nacks.add(2, { code: 'OWED' });
    metrics.counter('acks_total').inc();
    metrics.gauge('store_out').set(1);
    metrics.histogram('ack_seconds').observe(0.003);
    const exposed = parseExposition(await metrics.text());
    expect(valueOf(exposed, 'nacks_total', { code: 'OWED' })).toBe(3);
    expect(valueOf(exposed, 'nacks_total', { code: 'BAD_UPDATE' })).toBe(0);
    expect(valueOf(exposed, 'acks_total')).toBe(1);
    expect(valueOf(exposed, 'store_out')).toBe(1);
    expect(valueOf(exposed, 'ack_seconds_bucket', { le: '0.0025' })).toBe(0);
    expect(valueOf(exposed, 'ack_seconds_bucket', { le: '0.005' })).toBe(1);
    expect(valueOf(exposed, 'ack_seconds_count')).toBe(1);
  });

  it('lets no value from outside become a series', async () => {
    const metrics = createMetrics();
    for (let n = 0; n < 100; n++) metrics.counter('nacks_total').inc({ code: `room-${n}` as 'OWED' });
    const exposed = parseExposition(await metrics.text());
    expect(valueOf(exposed, 'nacks_total', { code: 'other' })).toBe(100);
    expect(exposed.samples.filter(({ labels }) => labels.code?.startsWith('room'))).toEqual([]);
  });

  it('asks for watched gauges when it is read; one that cannot tell keeps its last value and the page', async () => {
    const metrics = createMetrics();
    let open = 3;
    metrics.watch('connections', () => open);
    metrics.watch('rooms', () => Promise.reject(new Error('not yet')));
    expect(valueOf(parseExposition(await metrics.text()), 'connections')).toBe(3);
    open = 5;
    const exposed = parseExposition(await metrics.text());
    expect(valueOf(exposed, 'connections')).toBe(5);
    expect(valueOf(exposed, 'rooms')).toBe(0);
  });

  it('does not wait for a part that hangs, nor asks it again meanwhile: a hanging store is what it has to tell', async () => {
    const clock = new ManualClock();
    const metrics = createMetrics(clock);
    const answers: ((value: number) => void)[] = [];
    metrics.watch('records_in_quarantine', () => new Promise((resolve) => void answers.push(resolve)));
    metrics.watch('store_out', () => 1);
    for (let n = 0; n < 3; n++) {
      const text = metrics.text();
      clock.advance(5_000);
      expect(valueOf(parseExposition(await text), 'store_out')).toBe(1);
    }
    expect(answers).toHaveLength(1);
    answers[0]!(7);
    expect(valueOf(parseExposition(await metrics.text()), 'records_in_quarantine')).toBe(7);
  });

  it('keeps the counts of two registries of one process apart', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.counter('acks_total').inc();
    expect(valueOf(parseExposition(await one.text()), 'acks_total')).toBe(1);
    expect(valueOf(parseExposition(await other.text()), 'acks_total')).toBe(0);
  });

  it('takes everything and shows nothing where nothing is measured', async () => {
    noMetrics.counter('acks_total').inc();
    noMetrics.histogram('ack_seconds').observe(1);
    noMetrics.gauge('store_out').set(1);
    expect(await noMetrics.text()).toBe('');
  });

  it('is what promtool accepts, where it is installed', async () => {
    const text = await createMetrics().text();
    const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    if (error) return expect(error).toMatchObject({ code: 'ENOENT' });
    // 3: remarks on style, of names that prom-client gives Node's own metrics.
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.startsWith(METRIC_PREFIX))).toEqual([]);
    expect([0, 3]).toContain(status);
  });
});

describe('the reader of these tests', () => {
  it.each([
    ['a sample without a type', 'a_total 1\n'],
    ['a series that comes twice', '# HELP a b\n# TYPE a gauge\na 1\na 2\n'],
    ['a bad name', '# HELP a b\n# TYPE a gauge\na-b 1\n'],
    ['a bad value', '# HELP a b\n# TYPE a gauge\na one\n'],
    ['an unquoted label', '# HELP a b\n# TYPE a gauge\na{b=c} 1\n'],
    ['a missing help', '# TYPE a gauge\na 1\n'],
    ['a missing end', '# HELP a b\n# TYPE a gauge\na 1'],
  ])('refuses %s', (_, text) => {
    expect(() => parseExposition(text)).toThrow();
  });
});

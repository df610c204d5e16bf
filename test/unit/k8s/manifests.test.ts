import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { STOP_LIMIT_MS } from '../../../lib/broker/lifecycle.ts';
import { CONFIG_SCHEMA, loadConfig } from '../../../lib/config.ts';
import { ACCOUNT_SERVICES, GATEWAY_SERVICES } from '../../../scripts/lib/cluster.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Of glibc, not of ours. */
const ALLOCATOR = 'MALLOC_MMAP_THRESHOLD_';

interface Manifest {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  spec?: {
    selector: Record<string, unknown>;
    template?: {
      metadata: { labels: Record<string, string> };
      spec: { containers: { command: string[]; env: { name: string }[]; ports: { name: string }[] }[] };
    };
  };
}

function manifestsOf(file: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(ROOT, 'k8s', file), 'utf8'), { strict: true });
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  return documents.map((document) => document.toJS() as Manifest);
}

const settings = new Map(Object.values(CONFIG_SCHEMA).map((setting) => [setting.env, setting]));
const services = readdirSync(join(ROOT, 'services')).map((file) => file.replace('.service.ts', ''));
/** Small services share a process. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  accounts: ACCOUNT_SERVICES,
  gateway: GATEWAY_SERVICES,
};
const fileOf = (service: string) =>
  `${Object.keys(SHARED).find((file) => SHARED[file]!.includes(service)) ?? service}.yaml`;

describe('k8s manifests', () => {
  it.each(services)('run services/%s.service.ts, which has a manifest', (service) => {
    const manifests = manifestsOf(fileOf(service));
    expect(manifests.map(({ kind }) => kind)).toEqual(['StatefulSet', 'Service']);
    const [workload, exposed] = manifests as [Manifest, Manifest];
    const template = workload.spec!.template!;
    expect(template.spec.containers[0]!.command).toContain(`services/${service}.service.ts`);
    expect(template.metadata.labels).toMatchObject(exposed.spec!.selector);
  });

  it.each(services)('give %s only variables that the configuration knows', (service) => {
    const names = manifestsOf(fileOf(service))[0]!.spec!.template!.spec.containers[0]!.env.map(
      ({ name }) => name,
    );
    expect(names.filter((name) => !settings.has(name) && name !== ALLOCATOR)).toEqual([]);
  });

  it.each(['codec', 'fastsync', 'gateway', 'persister'])(
    'let %s give back the memory of large states, as in the cluster of the tests',
    (service) => {
      const { env } = manifestsOf(fileOf(service))[0]!.spec!.template!.spec.containers[0]!;
      expect(env).toContainEqual({ name: ALLOCATOR, value: '131072' });
      expect(readFileSync(join(ROOT, 'scripts/lib/cluster.ts'), 'utf8')).toContain(`${ALLOCATOR}: '131072'`);
    },
  );

  it.each(services)('give %s the secret by which processes seal what they say to each other', (service) => {
    const { env } = manifestsOf(fileOf(service))[0]!.spec!.template!.spec.containers[0]!;
    const secretKeyRef = { name: 'y-kafka', key: 'YKAFKA_TRANSPORT_SECRET' };
    expect(env).toContainEqual({ name: 'YKAFKA_TRANSPORT_SECRET', valueFrom: { secretKeyRef } });
  });

  it.each(services)('ask %s for its life without asking what it depends on', (service) => {
    const [{ livenessProbe, readinessProbe }] = manifestsOf(fileOf(service))[0]!.spec!.template!.spec
      .containers as unknown as [
      Record<string, { httpGet: { path: string }; timeoutSeconds: number; periodSeconds: number }>,
    ];
    // A probe that PostgreSQL or Kafka could fail would end every process while one of them is away.
    expect(livenessProbe!.httpGet.path).toBe('/health/live');
    expect(readinessProbe!.httpGet.path).toBe('/health/ready');
    // Longer than the report waits for what hangs.
    expect(readinessProbe!.timeoutSeconds).toBeGreaterThan(3);
  });

  it.each(services)('let Prometheus find the metrics of %s on its internal port', (service) => {
    const { metadata, spec } = manifestsOf(fileOf(service))[0]!.spec!.template! as unknown as {
      metadata: { annotations: Record<string, string> };
      spec: { containers: [{ ports: { name: string; containerPort: number }[] }] };
    };
    const { containerPort } = spec.containers[0].ports.find(({ name }) => name === 'internal')!;
    expect(metadata.annotations).toEqual({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(containerPort),
      'prometheus.io/path': '/metrics',
    });
  });

  it.each(services)(
    'leave %s more time to stop than it takes for itself, so that it says why it could not',
    (service) => {
      const { terminationGracePeriodSeconds } = manifestsOf(fileOf(service))[0]!.spec!.template!
        .spec as unknown as {
        terminationGracePeriodSeconds: number;
      };
      const { drainLimitMs } = loadConfig(manifestsOf('configmap.yaml')[0]!.data!);
      expect(terminationGracePeriodSeconds * 1000).toBeGreaterThan(STOP_LIMIT_MS + drainLimitMs);
    },
  );

  it('share settings that the configuration knows and accepts', () => {
    for (const [name, value] of Object.entries(manifestsOf('configmap.yaml')[0]!.data!)) {
      expect(settings.has(name)).toBe(true);
      expect(() => (settings.get(name)!.parse as (text: string) => unknown)(value)).not.toThrow();
      expect('secret' in settings.get(name)!).toBe(false);
    }
  });
});

import { ServiceBroker, type BrokerOptions } from 'moleculer';

/** Set on purpose for a Moleculer process: whoever sets them expects something that would not come. */
const REFUSED: Readonly<Record<string, string>> = {
  NODEID: 'say YKAFKA_NODE_ID',
  TRANSPORTER: 'services meet over Kafka, say KAFKA_BROKERS',
  SERIALIZER: 'services speak CBOR, others would spoil binary fields',
  REQUESTTIMEOUT: 'say YKAFKA_REQUEST_TIMEOUT_MS',
  LOGLEVEL: 'say YKAFKA_LOG_LEVEL',
  SERVICES: 'name the files of the services on the command line',
  SERVICEDIR: 'name the files of the services on the command line',
};
/** `MOL_NODE_ID` and the like set any option of the broker. */
const REFUSED_PREFIX = 'MOL_';

/** What is wrong with variables that the runner would take and that nobody has by chance, one sentence each. */
export function runnerProblems(env: Readonly<NodeJS.ProcessEnv>): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(REFUSED_PREFIX) || (name in REFUSED && env[name] !== ''))
    .map((name) => `${name}: not taken, ${REFUSED[name] ?? 'every setting has a variable of y-kafka’s own'}`);
}

/**
 * Takes out of the environment what moleculer-runner would put over these options: it looks for a variable by the name
 * of every option it knows, and `NAMESPACE` or `METRICS` may stand in a pod for something else. The names of those taken.
 */
export function withholdFromRunner(env: NodeJS.ProcessEnv, options: BrokerOptions): string[] {
  const taken = [...new Set([...namesOf(options), ...namesOf(ServiceBroker.defaultOptions)])];
  const found = taken.filter((name) => env[name] !== undefined);
  for (const name of found) delete env[name];
  return found;
}

/** As the runner makes them: `TRANSPORTER_OPTIONS_CLIENTID` of `transporter.options.clientId`. */
function namesOf(options: object, prefix = ''): string[] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => [
    `${prefix}${key}`.toUpperCase(),
    ...(isPlain(value) ? namesOf(value, `${prefix}${key}_`) : []),
  ]);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

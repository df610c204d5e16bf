import { choice, int, list, text, type Setting } from './config-settings.ts';

/** An OpenID provider where people sign in. */
export interface ProviderSettings {
  /** In the URL, `/api/auth/<name>`, and in the accounts: a provider that is renamed is another one. */
  name: string;
  issuer: string;
  clientId: string;
  /** Empty for a public client, which has PKCE alone. */
  clientSecret: string;
  scope: string;
  /** What a sign-in page writes on its button. */
  label: string;
}

/** The provider that asks for a name and nothing else; its accounts never become those of another provider. */
export const LOCAL_PROVIDER = 'local';
const DEFAULT_SCOPE = 'openid email profile';
const PRESETS: Readonly<Record<string, { issuer: string; label: string }>> = {
  google: { issuer: 'https://accounts.google.com', label: 'Google' },
};
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Other routes below /api/auth, and the provider that is built in. */
const TAKEN = ['jwks', 'me', 'logout', 'providers', 'refresh', 'sessions', LOCAL_PROVIDER];
const KEYS = ['issuer', 'clientId', 'clientSecret', 'scope', 'label'];

/** Of an access token, whatever is configured. */
export const LONGEST_ACCESS_TOKEN_SECONDS = 3_600;

/** Settings of sign-in; rows of the one schema in config.ts. */
export const ACCOUNT_SETTINGS = {
  openToAll: choice(
    'YKAFKA_OPEN_TO_ALL',
    ['no', 'yes'],
    'no',
    'yes: AUTH=none, and sign-in by a name alone, are taken on any address. Whoever reaches it reads and changes everything.',
  ),
  publicUrl: text(
    'PUBLIC_URL',
    '',
    'Where people’s browsers reach the gateways, https://host: the own origin. Needed behind a proxy on this machine, and with AUTH=accounts on anything but loopback.',
    { pattern: /^https?:\/\/[^/?#@\s]+$/ },
  ),
  authProviders: {
    env: 'AUTH_PROVIDERS',
    default: [],
    doc: 'OpenID providers as JSON, `{"google":{"clientId":"…","clientSecret":"…"},"work":{"issuer":"https://…","clientId":"…"}}`; see docs/accounts.md.',
    secret: true,
    range: 'JSON',
    parse: parseProviders,
  } satisfies Setting<readonly ProviderSettings[]> as Setting<readonly ProviderSettings[]>,
  localSignIn: choice(
    'YKAFKA_LOCAL_SIGN_IN',
    ['auto', 'no', 'yes'],
    'auto',
    'Sign-in by a name alone, for trying things out. auto: with AUTH=accounts in embedded mode on loopback, when there is no other provider. yes: always; off loopback and in cluster mode only with YKAFKA_OPEN_TO_ALL=yes.',
  ),
  returnOrigins: list('AUTH_RETURN_ORIGINS', [], 'Origins that a sign-in may return to, beside PUBLIC_URL.'),
  secret: text(
    'YKAFKA_SECRET',
    '',
    'At least 32 random characters, the same for all processes that sign in; seals their keys. Needed with AUTH=accounts in cluster mode, made by itself in embedded mode.',
    { secret: true, pattern: /^.{32,}$/ },
  ),
  transportSecret: text(
    'YKAFKA_TRANSPORT_SECRET',
    '',
    'At least 32 random characters, the same for all processes of a cluster: seals what they say to each other over Kafka. Not sealed without.',
    { secret: true, pattern: /^.{32,}$/ },
  ),
  internalSecret: text(
    'YKAFKA_INTERNAL_SECRET',
    '',
    'With it (at least 32 characters) the internal listener of the permissions service tells other systems who has which role, and that of a gateway with AUTH=jwt is told of changed rights; off without.',
    { secret: true, pattern: /^.{32,}$/ },
  ),
  jwksUrl: text('JWKS_URL', '', 'Keys of the product whose tokens AUTH=jwt takes.', {
    pattern: /^https?:\/\/\S+$/,
  }),
  jwtWebhookUrl: text(
    'JWT_WEBHOOK_URL',
    '',
    'With AUTH=jwt: asked who has which role in a room, for tokens that do not say it; see docs/accounts.md.',
    { pattern: /^https?:\/\/\S+$/ },
  ),
  jwtWebhookSecret: text(
    'JWT_WEBHOOK_SECRET',
    '',
    'Signs what JWT_WEBHOOK_URL is asked: `whsec_` and at least 24 random bytes in base64.',
    { secret: true, pattern: /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/ },
  ),
  jwtIssuer: text('JWT_ISSUER', '', '`iss` of access tokens; needed with AUTH=jwt, otherwise `y-kafka`.'),
  jwtAudience: text('JWT_AUDIENCE', '', '`aud` of access tokens; needed with AUTH=jwt, otherwise `y-kafka`.'),
  accessTokenSeconds: int(
    'YKAFKA_ACCESS_TOKEN_SECONDS',
    900,
    { min: 5, max: LONGEST_ACCESS_TOKEN_SECONDS },
    'Life of an access token, in seconds.',
  ),
  sessionDays: int(
    'YKAFKA_SESSION_DAYS',
    30,
    { min: 1, max: 365 },
    'A sign-in that is not used for so many days ends; one that is used, after six times as many.',
  ),
  handshakeTimeoutMs: int(
    'YKAFKA_HANDSHAKE_TIMEOUT_MS',
    5_000,
    { min: 100, max: 60_000 },
    'Time limit of a connection’s handshake.',
  ),
};

interface AccountValues {
  mode: string;
  auth: string;
  host: string;
  openToAll: string;
  publicUrl: string;
  localSignIn: string;
  authProviders: readonly unknown[];
  jwksUrl: string;
  jwtWebhookUrl: string;
  jwtWebhookSecret: string;
  jwtIssuer: string;
  jwtAudience: string;
}

const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', 'localhost', '::1', '[::1]'];

/** Whether only this machine reaches it. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host);
}

type LocalSignInValues = Pick<
  AccountValues,
  'mode' | 'auth' | 'host' | 'publicUrl' | 'localSignIn' | 'authProviders'
>;

/** Whether people sign in by their name alone. */
export function offersLocalSignIn(config: LocalSignInValues): boolean {
  if (config.auth !== 'accounts' || config.localSignIn === 'no') return false;
  return config.localSignIn === 'yes' || (isForOneMachine(config) && config.authProviders.length === 0);
}

/** Nobody else is known to reach it; a gateway's own HOST says nothing about the other gateways of a cluster. */
function isForOneMachine({ mode, host, publicUrl }: LocalSignInValues): boolean {
  return mode === 'embedded' && isLoopback(host) && publicUrl === '';
}

/** What the settings of accounts say against each other. */
export function checkAccounts(config: AccountValues): string[] {
  const problems: string[] = [];
  const isLocal = isLoopback(config.host);
  if (config.auth === 'none' && !isLocal && config.openToAll === 'no')
    problems.push(`AUTH=none: refused while HOST=${JSON.stringify(config.host)} is not a loopback address`);
  if (offersLocalSignIn(config) && !isForOneMachine(config) && config.openToAll === 'no')
    problems.push(
      'YKAFKA_LOCAL_SIGN_IN=yes: refused in cluster mode, with PUBLIC_URL, and while HOST is not a loopback address',
    );
  if (config.auth === 'accounts' && !isLocal && config.publicUrl === '')
    problems.push('PUBLIC_URL: needed with AUTH=accounts, unless HOST is a loopback address');
  if (config.auth === 'jwt') {
    if (config.jwksUrl === '') problems.push('JWKS_URL: needed with AUTH=jwt');
    else if (!isSafeUrl(config.jwksUrl)) problems.push('JWKS_URL: must begin with https://');
    if (config.jwtWebhookUrl !== '') {
      if (!isSafeUrl(config.jwtWebhookUrl)) problems.push('JWT_WEBHOOK_URL: must begin with https://');
      if (config.jwtWebhookSecret === '') problems.push('JWT_WEBHOOK_SECRET: needed with JWT_WEBHOOK_URL');
    }
    if (config.jwtIssuer === '') problems.push('JWT_ISSUER: needed with AUTH=jwt');
    if (config.jwtAudience === '') problems.push('JWT_AUDIENCE: needed with AUTH=jwt');
  }
  return problems;
}

function parseProviders(json: string): readonly ProviderSettings[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error('must be JSON'); // the parser's own message would show a part of a secret
  }
  if (!isRecord(value)) throw new Error('must be an object by the names of the providers');
  return Object.freeze(Object.entries(value).map(([name, fields]) => parseProvider(name, fields)));
}

function parseProvider(name: string, fields: unknown): ProviderSettings {
  const at = `the provider ${JSON.stringify(name)}`;
  if (!NAME.test(name) || TAKEN.includes(name)) throw new Error(`${at} cannot have this name`);
  if (!isRecord(fields)) throw new Error(`${at} must be an object`);
  for (const [key, value] of Object.entries(fields))
    if (!KEYS.includes(key) || typeof value !== 'string') throw new Error(`${at}: bad field ${key}`);
  const given = fields as Partial<Record<string, string>>;
  const issuer = given.issuer ?? PRESETS[name]?.issuer ?? '';
  if (!isSafeUrl(issuer)) throw new Error(`${at}: issuer must begin with https://`);
  if (!given.clientId) throw new Error(`${at}: clientId is missing`);
  const scope = given.scope ?? DEFAULT_SCOPE;
  if (!scope.split(' ').includes('openid')) throw new Error(`${at}: scope must contain openid`);
  const label = given.label ?? PRESETS[name]?.label ?? name;
  return Object.freeze({
    name,
    issuer,
    clientId: given.clientId,
    clientSecret: given.clientSecret ?? '',
    scope,
    label,
  });
}

/** Without TLS only on this machine. */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

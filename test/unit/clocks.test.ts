import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');

const sources = ['lib', 'services', 'moleculer.config.ts']
  .flatMap((entry) =>
    entry.endsWith('.ts')
      ? [join(ROOT, entry)]
      : readdirSync(join(ROOT, entry), { recursive: true, encoding: 'utf8' })
          .filter((file) => file.endsWith('.ts'))
          .map((file) => join(ROOT, entry, file)),
  )
  .map((file) => ({ file: relative(ROOT, file), text: withoutComments(readFileSync(file, 'utf8')) }));

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:])\/\/.*$/gm, '$1');
}

const filesWith = (pattern: RegExp) =>
  sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

/** The two places that read the machine's clock: of the services and, browser-safe, of the provider. */
const CLOCKS = ['lib/clock.ts', 'lib/provider/environment.ts'];

describe('wall time', () => {
  it('is read in one place for the services and one for the provider; the default of a timestamp is display', () => {
    expect(filesWith(/\bDate\.now\b|\bnew Date\(\s*\)/)).toEqual(
      [...CLOCKS, 'lib/protocol/metadata.ts'].sort(),
    );
  });

  it('of another kind is not read at all', () => {
    expect(filesWith(/\bprocess\.uptime\b|\bperformance\.timeOrigin\b|\bprocess\.hrtime\b/)).toEqual([]);
  });

  it('decides nothing: who asks for it only notes it', () => {
    /** Why each of them asks. */
    const noted: Record<string, string> = {
      'lib/accounts/context.ts': 'sessions, invites and restores end at a date that people were told',
      'lib/accounts/service-tokens.ts': 'the end of a token is a date',
      'lib/accounts/signing-keys.ts': 'keys follow each other by date, also over restarts',
      'lib/accounts/tokens.ts': '`exp` of a token is a date, by RFC 7519',
      'lib/gateway/awareness-records.ts': 'stamps `timestamp`',
      'lib/gateway/identify.ts': 'the end of a token is a date',
      'lib/gateway/role-webhook.ts': 'a signature says when it was made',
      'lib/gateway/shared-roles.ts': 'how long ago another process has asked',
      'lib/gateway/token-life.ts': 'the end of a token is a date',
      'lib/gateway/update-door.ts': 'stamps `timestamp`',
      'lib/http/sign-in-routes.ts': 'a cookie ends at a date',
      'lib/lifecycle/document-operations.ts': 'stamps `timestamp`',
      'lib/persister/retention-watch.ts': 'a warning: how long the broker still keeps what is not stored',
      'lib/presence/redis.ts': 'notes when somebody was last seen',
      'lib/presence/shared-presence.ts': 'notes when somebody was last seen',
      'lib/provider/outgoing.ts': 'stamps `timestamp`',
      'lib/store/memory-tables.ts': 'notes when something was stored, the clock of that store',
      'lib/store/postgres.ts': 'notes when something was stored',
      'lib/stream/embedded/appender.ts': 'notes when a record was appended',
    };
    const asking = filesWith(/\bwallTime\(\)/).filter((file) => !CLOCKS.includes(file));
    expect(asking.filter((file) => !(file in noted))).toEqual([]);
    expect(Object.keys(noted).filter((file) => !asking.includes(file))).toEqual([]);
  });
});

describe('timers and randomness', () => {
  it('come from outside: nobody sets a timer of its own', () => {
    const own = filesWith(/(?<![.\w#])set(?:Timeout|Interval|Immediate)\(/);
    // A stop that hangs has to end whatever clock was given.
    expect(own.filter((file) => !CLOCKS.includes(file))).toEqual(['lib/broker/lifecycle.ts']);
  });

  it('nobody rolls dice of his own', () => {
    expect(filesWith(/\bMath\.random\b/).filter((file) => !CLOCKS.includes(file))).toEqual([]);
  });
});

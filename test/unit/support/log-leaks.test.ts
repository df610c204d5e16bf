import { expect, it } from '@jest/globals';
import { silentLogger } from '../../../lib/log.ts';
import { LogLeaks } from '../../support/log-leaks.ts';

const TOKEN = `eyJ${'a'.repeat(20)}.e30.sig`;

it.each([
  ['a token among the fields', { request: { headers: { authorization: `Bearer ${TOKEN}` } } }, 'refused'],
  ['a token in the message of an error', { err: new Error(`bad token ${TOKEN}`) }, 'refused'],
  ['a token in the cause of an error', { err: new Error('bad', { cause: new Error(TOKEN) }) }, 'refused'],
  ['an address', { user: 'ada@example.test' }, 'refused'],
  ['a cookie', { header: `ykafka_session=${'b'.repeat(43)}` }, 'refused'],
  ['a token in the phrase', {}, `refused ${TOKEN}`],
])('%s is found', (_name, fields, message) => {
  for (const level of ['info', 'warn', 'error'] as const) {
    const leaks = new LogLeaks();
    leaks.watch(silentLogger).child({})[level](fields, message);
    expect(() => leaks.check()).toThrow('logs hold what they must not');
    // Told once.
    leaks.check();
  }
});

it('what is usual in a log is not, and comes through', () => {
  const leaks = new LogLeaks();
  const said: string[] = [];
  const logger = leaks.watch({ ...silentLogger, warn: (_fields, message) => void said.push(message) });
  logger.warn(
    { err: new Error('x'), roomId: 'b0e7', folder: '/tmp/ykafka-test-a1b2' },
    'rights not looked up',
  );
  leaks.check();
  expect(said).toEqual(['rights not looked up']);
});

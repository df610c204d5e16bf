import { describe, expect, it } from '@jest/globals';
import { KnownSecrets } from '../../support/known-secrets.ts';

const SECRET = 'word-0123456789abcdef';

describe('secrets in a log', () => {
  const bytes = (before: string) => Buffer.from(`${before}${SECRET} and more`);
  it.each([
    ['as text', `{"msg":"said ${SECRET}."}`],
    ['in a URL', `/callback?code=${encodeURIComponent(SECRET)}`],
    ['as the bytes of a buffer', JSON.stringify({ value: bytes('ab') })],
    ['in hex', bytes('a').toString('hex')],
    ...['', 'a', 'ab', 'abc'].map((before) => [
      `in base64 behind ${before.length} bytes`,
      bytes(before).toString('base64'),
    ]),
  ])('are found %s, and said without the secret', (_where, line) => {
    const secrets = new KnownSecrets();
    secrets.add('what was typed', SECRET);
    secrets.add('another', 'something else');
    const found = secrets.foundIn(['before', line, 'after']);
    expect(found).toEqual([expect.stringMatching(/^what was typed in /)]);
    expect(found.join()).not.toContain(SECRET);
  });

  it('are not found where they are not', () => {
    const secrets = new KnownSecrets();
    secrets.add('what was typed', SECRET);
    secrets.add('too short to say anything', 'ab');
    expect([secrets.size, secrets.foundIn(['word-0123', 'ab', ''])]).toEqual([1, []]);
  });
});

import { expect, it } from '@jest/globals';
import { profileOf } from '../../../lib/accounts/profile.ts';
import { roleInRooms } from '../../../lib/accounts/principal.ts';
import { Sealer } from '../../../lib/accounts/sealer.ts';

it.each([
  ['plan', 'owner'],
  ['plan-b', 'editor'],
  ['p', 'viewer'],
  ['other', undefined],
  ['toString', undefined],
])('the role in the room %s is %s: the name itself, then the longest beginning', (room, role) => {
  expect(roleInRooms({ plan: 'owner', 'pl*': 'editor', 'p*': 'viewer' }, room)).toBe(role);
});

it('without a list of rooms there is no role', () => {
  expect(roleInRooms(undefined, 'plan')).toBeUndefined();
});

it.each([
  [
    { email: 'A@b.test', email_verified: true },
    { email: 'a@b.test', name: 'Guest' },
  ],
  [{ email: 'a@b.test', email_verified: 'true' }, { name: 'Guest' }],
  [{ email: 'a@b.test' }, { name: 'Guest' }],
  [{ email: 'no address', email_verified: true }, { name: 'Guest' }],
  [{ name: 'a@b.test', preferred_username: 'ada' }, { name: 'ada' }],
  [{ name: ' A\u0000\u202eda\n', picture: 'javascript:alert(1)' }, { name: 'A da' }],
  [
    { given_name: 'Ada', family_name: 'L', picture: 'https://a.test/p' },
    { name: 'Ada L', avatarUrl: 'https://a.test/p' },
  ],
])('of the claims %j is kept %j', (claims, kept) => {
  expect(profileOf('p', { sub: '1', ...claims })).toEqual({ provider: 'p', subject: '1', ...kept });
});

it('what is sealed is opened by the same secret, about the same thing, unchanged', () => {
  const sealer = new Sealer('a'.repeat(32));
  const sealed = sealer.seal('text', 'k1');
  expect(sealer.open(sealed, 'k1')).toBe('text');
  expect(sealer.seal('text', 'k1')).not.toBe(sealed);
  expect(sealer.open(sealed, 'k2')).toBeUndefined();
  expect(new Sealer('b'.repeat(32)).open(sealed, 'k1')).toBeUndefined();
  expect(sealer.open((sealed.startsWith('A') ? 'B' : 'A') + sealed.slice(1), 'k1')).toBeUndefined();
  expect(sealer.open('', 'k1')).toBeUndefined();
});

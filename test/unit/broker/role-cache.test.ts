import { describe, expect, it } from '@jest/globals';
import { connectionOf } from '../../../lib/broker/role-cache.ts';

describe('the address of Redis', () => {
  it.each([
    ['redis://cache', { host: 'cache', port: 6_379 }],
    ['redis://127.0.0.1:7000/3', { host: '127.0.0.1', port: 7_000, db: 3 }],
    ['redis://:p%40ss@cache:1', { host: 'cache', port: 1, password: 'p@ss' }],
    [
      'rediss://ann:secret@cache',
      { host: 'cache', port: 6_379, username: 'ann', password: 'secret', tls: {} },
    ],
    ['redis://[::1]:6380', { host: '::1', port: 6_380 }],
  ])('%s', (url, wanted) => {
    expect(connectionOf(url)).toEqual(wanted);
  });
});

import { describe, expect, it } from '@jest/globals';
import { clientAddressOf } from '../../../lib/gateway/client-address.ts';

const requestFrom = (remoteAddress: string | undefined, forwarded?: string) => ({
  headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  socket: { remoteAddress },
});

describe('the address of a client', () => {
  it('is that of the connection; without trusted proxies nobody can say another', () => {
    expect(clientAddressOf(requestFrom('192.0.2.7'), 0)).toBe('192.0.2.7');
    expect(clientAddressOf(requestFrom('::ffff:192.0.2.7', '198.51.100.1'), 0)).toBe('192.0.2.7');
    expect(clientAddressOf(requestFrom('2001:db8::1'), 3)).toBe('2001:db8::1');
    expect(clientAddressOf(requestFrom(undefined), 0)).toBeUndefined();
  });

  it('is what the first trusted proxy was called by, whatever the client has written before', () => {
    const forged = '203.0.113.9, 198.51.100.1, 10.0.0.1';
    expect(clientAddressOf(requestFrom('10.0.0.2', forged), 1)).toBe('10.0.0.1');
    expect(clientAddressOf(requestFrom('10.0.0.2', forged), 2)).toBe('198.51.100.1');
    expect(clientAddressOf(requestFrom('10.0.0.2', '198.51.100.1'), 2)).toBe('198.51.100.1');
  });

  it('is read with a port, and is the connection’s when it is no address', () => {
    expect(clientAddressOf(requestFrom('10.0.0.2', '198.51.100.1:4711'), 1)).toBe('198.51.100.1');
    expect(clientAddressOf(requestFrom('10.0.0.2', '[2001:db8::5]:80'), 1)).toBe('2001:db8::5');
    expect(clientAddressOf(requestFrom('10.0.0.2', '[::ffff:198.51.100.1]:80'), 1)).toBe('198.51.100.1');
    for (const odd of ['', 'unknown', '_hidden', '1.2.3.4.5', '\u0000', '[::1', 'a:b:c'.repeat(1000)])
      expect(clientAddressOf(requestFrom('10.0.0.2', odd), 1)).toBe('10.0.0.2');
  });
});

import { describe, expect, it } from '@jest/globals';
import { isAppError } from '../../../lib/errors.ts';
import { wrapErrors } from '../../../lib/store/sql.ts';

async function wrapped(code: string) {
  const error: unknown = await wrapErrors(() =>
    Promise.reject(Object.assign(new Error(code), { code })),
  ).catch((failure: unknown) => failure);
  return isAppError(error) ? [error.type, error.data.sqlState] : error;
}

describe('errors of the database', () => {
  it('classes 22 and 23 are bad data, everything else is infrastructure', async () => {
    expect(await wrapped('22P05')).toEqual(['STORE_BAD_DATA', '22P05']);
    expect(await wrapped('23505')).toEqual(['STORE_BAD_DATA', '23505']);
    expect(await wrapped('57P01')).toEqual(['STORE_UNAVAILABLE', '57P01']);
    expect(await wrapped('XX000')).toEqual(['STORE_UNAVAILABLE', 'XX000']);
  });

  it('a broken connection is not taken for an answer of the server', async () => {
    expect(await wrapped('EPIPE')).toEqual(['STORE_UNAVAILABLE', undefined]);
    expect(await wrapped('ECONNRESET')).toEqual(['STORE_UNAVAILABLE', undefined]);
  });
});

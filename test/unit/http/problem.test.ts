import { describe, expect, it } from '@jest/globals';
import { APP_ERRORS, AppError, type AppErrorType } from '../../../lib/errors.ts';
import { problemOf } from '../../../lib/http/problem.ts';

const INSIDE = 'connect ECONNREFUSED 10.0.0.7:5432';

describe('what a client is told of an error', () => {
  it('is never what went wrong inside', () => {
    const inside = [
      new TypeError(INSIDE),
      INSIDE,
      undefined,
      Object.assign(new Error(INSIDE), { code: 599, type: 'SOMETHING' }),
      ...(Object.keys(APP_ERRORS) as AppErrorType[])
        .filter((type) => APP_ERRORS[type].status >= 500)
        .map(
          (type) => new AppError(type, { message: INSIDE, cause: new Error(INSIDE), data: { at: INSIDE } }),
        ),
    ];
    for (const error of inside) {
      const problem = problemOf(error);
      expect(problem.status).toBeGreaterThanOrEqual(500);
      expect(JSON.stringify(problem)).not.toContain('10.0.0.7');
    }
  });

  it('has the code, the status in words and the sentence of the error', () => {
    expect(problemOf(new AppError('LAST_OWNER'))).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      code: 'LAST_OWNER',
      detail: APP_ERRORS.LAST_OWNER.message,
    });
  });

  it('names the fields of a failed check, but not what was in them', () => {
    const data = [{ type: 'stringPattern', field: 'email', message: 'does not fit', actual: 'ann@home' }];
    const problem = problemOf({ name: 'ValidationError', code: 422, type: 'VALIDATION_ERROR', data });
    expect(problem).toMatchObject({
      status: 422,
      code: 'BAD_INPUT',
      errors: [{ field: 'email', rule: 'stringPattern', detail: 'does not fit' }],
    });
    expect(JSON.stringify(problem)).not.toContain('ann@home');
  });

  it.each([
    [{ status: 413, type: 'entity.too.large' }, 'PAYLOAD_TOO_LARGE'],
    [{ status: 400, type: 'entity.parse.failed' }, 'MALFORMED'],
    [{ status: 415, type: 'charset.unsupported' }, 'UNSUPPORTED_MEDIA_TYPE'],
    [{ code: 404, type: 'SERVICE_NOT_FOUND' }, 'NOT_FOUND'],
    [{ code: 503, type: null }, 'SERVICE_UNAVAILABLE'],
    [{ code: 418 }, 'INTERNAL'],
  ])('%j is %s', (error, code) => {
    expect(problemOf(error).code).toBe(code);
  });
});

import { STATUS_CODES, type ServerResponse } from 'node:http';
import { APP_ERRORS, AppError, isAppError, type AppErrorType } from '../errors.ts';
import type { Logger } from '../log.ts';

const MEDIA_TYPE = 'application/problem+json';
/** A client that gets a transient error comes again after so long. */
const RETRY_SECONDS = 1;

interface FieldError {
  field: string;
  /** The check that failed, in fastest-validator's words. */
  rule?: string;
  detail?: string;
}

/** What a client is told about an error (RFC 9457). */
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  code: AppErrorType;
  detail: string;
  errors?: FieldError[];
}

/**
 * An error as a client may see it. What is no error of ours, and the text of what went wrong inside, stays here: it is
 * INTERNAL, or the fixed sentence of its type.
 */
export function problemOf(error: unknown): Problem {
  const known = asAppError(error);
  const { type, message } = known;
  const { status, message: fixed } = APP_ERRORS[type];
  const errors = fieldsOf(error);
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: type,
    detail: status >= 500 ? fixed : message,
    ...(errors.length > 0 ? { errors } : {}),
  };
}

/** Answers with the problem; logs what is our fault. An answer that has begun is cut. */
export function sendProblem(response: ServerResponse, error: unknown, logger: Logger): void {
  const problem = problemOf(error);
  logFault(problem, error, logger);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(problem.status, { ...problemHeaders(problem, error), 'content-type': MEDIA_TYPE });
  response.end(JSON.stringify(problem));
}

/** Logs what is our fault, and nothing else. */
export function logFault({ code }: Problem, error: unknown, logger: Logger): void {
  if (code === 'INTERNAL') logger.error({ err: error }, 'http request failed');
}

/** Headers of every answer that is a problem, but for its type. */
export function problemHeaders({ status, code }: Problem, error: unknown): Record<string, string> {
  const retryAfterMs = isAppError(error) ? error.data?.retryAfterMs : undefined;
  const seconds = typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1_000) : RETRY_SECONDS;
  return {
    'cache-control': 'no-store',
    ...(APP_ERRORS[code].retryable ? { 'retry-after': String(seconds) } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(isAppError(error, 'METHOD_NOT_ALLOWED') ? { allow: String(error.data.allow) } : {}),
  };
}

/** What Moleculer, moleculer-web and the body parser throw, as one of ours. */
function asAppError(error: unknown): AppError {
  if (isAppError(error)) return error;
  const { type, code, status } = (error ?? {}) as { type?: unknown; code?: unknown; status?: unknown };
  if (type === 'VALIDATION_ERROR') return new AppError('BAD_INPUT');
  return new AppError(BY_STATUS[Number(status ?? code)] ?? 'INTERNAL', { cause: error });
}

const BY_STATUS: Readonly<Record<number, AppErrorType>> = {
  400: 'MALFORMED',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  503: 'SERVICE_UNAVAILABLE',
};

function fieldsOf(error: unknown): FieldError[] {
  const { type, data } = (error ?? {}) as { type?: unknown; data?: unknown };
  if (type === 'VALIDATION_ERROR') {
    const failed = Array.isArray(data)
      ? (data as { type?: unknown; field?: unknown; message?: unknown }[])
      : [];
    return failed.map(({ type: rule, field, message }) => ({
      field: String(field ?? ''),
      rule: String(rule),
      detail: String(message),
    }));
  }
  const field = isAppError(error, 'BAD_INPUT') ? error.data?.field : undefined;
  return typeof field === 'string' ? [{ field }] : [];
}

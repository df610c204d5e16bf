/**
 * Every error that crosses a port, an action or HTTP, once. `status` is the HTTP status, `retryable`
 * tells a caller that the same call may succeed later. `message` may be shown to a user; internal text
 * belongs into `cause` and never leaves the process.
 */
export const APP_ERRORS = {
  BAD_CONFIG: { status: 500, retryable: false, message: 'The configuration is not valid.' },
  BAD_INPUT: { status: 422, retryable: false, message: 'The input does not have the expected shape.' },
  MALFORMED: { status: 400, retryable: false, message: 'The request cannot be read.' },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false, message: 'This cannot be done here.' },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false, message: 'The request is too large.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false, message: 'The body must be application/json.' },
  RATE_LIMITED: { status: 429, retryable: true, message: 'Too many requests; wait a little.' },
  NOT_FOUND: { status: 404, retryable: false, message: 'There is no such thing.' },
  UNAUTHENTICATED: { status: 401, retryable: false, message: 'Sign in first.' },
  SIGN_IN_FAILED: { status: 400, retryable: false, message: 'The sign-in did not succeed; begin again.' },
  PROVIDER_NOT_FOUND: { status: 404, retryable: false, message: 'There is no such sign-in provider.' },
  PROVIDER_UNAVAILABLE: { status: 503, retryable: true, message: 'The sign-in provider does not answer.' },
  FORBIDDEN: { status: 403, retryable: false, message: 'Your role does not allow this.' },
  ROLE_TOO_HIGH: { status: 403, retryable: false, message: 'Nobody gives or takes more than the own role.' },
  WORKSPACE_NOT_FOUND: { status: 404, retryable: false, message: 'There is no such workspace.' },
  BOARD_NOT_FOUND: { status: 404, retryable: false, message: 'There is no such board.' },
  MEMBER_NOT_FOUND: { status: 404, retryable: false, message: 'This person is no member.' },
  ID_TAKEN: { status: 409, retryable: false, message: 'Something else has this id.' },
  INVITE_NOT_FOUND: { status: 404, retryable: false, message: 'There is no such invite.' },
  RULE_NOT_FOUND: { status: 404, retryable: false, message: 'There is no such rule.' },
  TOO_MANY_RULES: { status: 409, retryable: false, message: 'This board has as many rules as it may have.' },
  INVITE_OVER: { status: 410, retryable: false, message: 'This invite is no longer valid.' },
  LAST_OWNER: { status: 409, retryable: false, message: 'Somebody else has to become owner first.' },
  PERSONAL_WORKSPACE: {
    status: 409,
    retryable: false,
    message: 'A personal workspace belongs to one person.',
  },
  RESTORE_OVER: { status: 410, retryable: false, message: 'The time to restore this board is over.' },
  INTERNAL: { status: 500, retryable: false, message: 'An internal error happened.' },
  GENERATION_CONFLICT: {
    status: 409,
    retryable: false,
    message: 'The document has another generation than the one that was expected.',
  },
  STREAM_UNAVAILABLE: { status: 503, retryable: true, message: 'The log is not reachable.' },
  STREAM_APPEND_FAILED: {
    status: 503,
    retryable: true,
    message: 'The record is not known to be in the log.',
  },
  STREAM_RECORD_TOO_LARGE: {
    status: 413,
    retryable: false,
    message: 'The record exceeds the limit of the topic.',
  },
  STREAM_BUFFER_FULL: { status: 503, retryable: true, message: 'The producer buffer is full.' },
  STREAM_OFFSET_OUT_OF_RANGE: {
    status: 500,
    retryable: false,
    message: 'The log no longer holds this offset.',
  },
  STREAM_TOPIC_MISSING: { status: 503, retryable: true, message: 'The topic does not exist yet.' },
  STREAM_PARTITIONS_CHANGED: {
    status: 500,
    retryable: false,
    message: 'The topic has another number of partitions than configured.',
  },
  STREAM_IDENTITY_CHANGED: { status: 500, retryable: false, message: 'A known topic has another identity.' },
  STREAM_LOCKED: { status: 500, retryable: false, message: 'Another process uses this data folder.' },
  STREAM_CLOSED: { status: 503, retryable: true, message: 'The log has been closed.' },
  STORE_UNAVAILABLE: { status: 503, retryable: true, message: 'The store is not reachable.' },
  STORE_BAD_DATA: { status: 500, retryable: false, message: 'The store refused this data.' },
  STORE_BEHIND: { status: 503, retryable: true, message: 'The store has not caught up with the log yet.' },
  CODEC_OVERLOADED: { status: 503, retryable: true, message: 'Too much codec work is waiting.' },
  CODEC_TIMEOUT: { status: 503, retryable: false, message: 'The codec work took too long.' },
  CODEC_FAILED: { status: 500, retryable: false, message: 'The document cannot be processed.' },
  SYNC_TICKET_UNKNOWN: { status: 404, retryable: true, message: 'This ticket is unknown or has expired.' },
  NODE_ID_TAKEN: { status: 409, retryable: false, message: 'Another process runs under this node id.' },
  SERVICE_UNAVAILABLE: { status: 503, retryable: true, message: 'A service is not available.' },
} as const satisfies Record<string, { status: number; retryable: boolean; message: string }>;

export type AppErrorType = keyof typeof APP_ERRORS;

export interface AppErrorOptions {
  message?: string;
  data?: Record<string, unknown>;
  cause?: unknown;
}

export class AppError extends Error {
  readonly type: AppErrorType;
  readonly code: number;
  readonly retryable: boolean;
  readonly data: Record<string, unknown>;

  constructor(type: AppErrorType, options: AppErrorOptions = {}) {
    super(options.message ?? APP_ERRORS[type].message, { cause: options.cause });
    this.name = 'AppError';
    this.type = type;
    this.code = APP_ERRORS[type].status;
    this.retryable = APP_ERRORS[type].retryable;
    this.data = options.data ?? {};
  }
}

/** Decides by the type, not by class: an error that came over the transporter has lost its class. */
export function isAppError<T extends AppErrorType>(
  error: unknown,
  type?: T,
): error is AppError & { type: T } {
  if (typeof error !== 'object' || error === null) return false;
  const found = (error as { type?: unknown }).type;
  if (typeof found !== 'string' || !Object.hasOwn(APP_ERRORS, found)) return false;
  return type === undefined || found === type;
}

/** For unreachable branches over closed sets. */
export function assertNever(value: never): never {
  throw new AppError('INTERNAL', { data: { value: String(value) } });
}

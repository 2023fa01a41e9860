/** What a failure means to whoever asked: edges map it to an HTTP status and an exit code. */
export type ErrorKind =
  | "invalid" // the request can never succeed as it is
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "limited" // asked too often; it may be asked again later
  | "conflict" // the state of things forbids it now
  | "unavailable" // something outside does not answer; the same request may succeed later
  | "damaged" // stored data is missing, altered or forged
  | "cancelled"
  | "internal";

interface ErrorRule {
  readonly kind: ErrorKind;
  /** Whether a job that failed with it is run again with back-off. */
  readonly isRetryable: boolean;
}

/** Every failure btar names. A code says what failed; message and hint say it of this case. */
export const errorRules = {
  // configuration and input
  INVALID_CONFIGURATION: { kind: "invalid", isRetryable: false },
  INVALID_INPUT: { kind: "invalid", isRetryable: false },
  INVALID_NAME: { kind: "invalid", isRetryable: false },
  INVALID_GTID: { kind: "invalid", isRetryable: false },
  INVALID_LSN: { kind: "invalid", isRetryable: false },
  INVALID_TIME: { kind: "invalid", isRetryable: false },
  INVALID_USER_CONFIG: { kind: "invalid", isRetryable: false },
  INVALID_BACKUP_REGION: { kind: "invalid", isRetryable: false },
  INVALID_SERVICE_URI: { kind: "invalid", isRetryable: false },
  TOKEN_INVALID: { kind: "unauthenticated", isRetryable: false },
  TOKEN_EXPIRED: { kind: "unauthenticated", isRetryable: false },
  AUTHENTICATION_FAILED: { kind: "forbidden", isRetryable: false },
  TOO_MANY_ATTEMPTS: { kind: "limited", isRetryable: false },
  INSECURE_CONNECTION: { kind: "forbidden", isRetryable: false },
  ROLE_TOO_LOW: { kind: "forbidden", isRetryable: false },
  CROSS_SITE_REQUEST: { kind: "forbidden", isRetryable: false },
  NOT_A_PROJECT_MEMBER: { kind: "forbidden", isRetryable: false },
  SERVICE_PROTECTED: { kind: "forbidden", isRetryable: false },
  NOT_FOUND: { kind: "not_found", isRetryable: false },
  ALREADY_EXISTS: { kind: "conflict", isRetryable: false },
  WRONG_STATE: { kind: "conflict", isRetryable: false },
  DATA_DIRECTORY_IN_USE: { kind: "conflict", isRetryable: false },
  // recovery
  NO_BACKUP: { kind: "invalid", isRetryable: false },
  RECOVERY_TARGET_UNREACHABLE: { kind: "invalid", isRetryable: false },
  RECOVERY_FAILED: { kind: "internal", isRetryable: false },
  TARGET_DIRECTORY_NOT_EMPTY: { kind: "conflict", isRetryable: false },
  NOT_ENOUGH_ROOM: { kind: "unavailable", isRetryable: true },
  // object stores and what is in them
  STORE_UNREACHABLE: { kind: "unavailable", isRetryable: true },
  STORE_FULL: { kind: "unavailable", isRetryable: true },
  STORE_REFUSED: { kind: "unavailable", isRetryable: true },
  OBJECT_MISSING: { kind: "damaged", isRetryable: false },
  OBJECT_DAMAGED: { kind: "damaged", isRetryable: false },
  OBJECT_REMOVED: { kind: "unavailable", isRetryable: true },
  OBJECT_CONFLICT: { kind: "damaged", isRetryable: false },
  UNSUPPORTED_FORMAT: { kind: "damaged", isRetryable: false },
  UNSAFE_PATH: { kind: "damaged", isRetryable: false },
  KEY_UNAVAILABLE: { kind: "unavailable", isRetryable: false },
  // databases
  SERVER_UNREACHABLE: { kind: "unavailable", isRetryable: true },
  SERVER_REFUSED: { kind: "unavailable", isRetryable: true },
  SERVER_PROTOCOL: { kind: "unavailable", isRetryable: true },
  SERVER_DATA_CORRUPT: { kind: "unavailable", isRetryable: true },
  SERVER_START_FAILED: { kind: "internal", isRetryable: true },
  SERVER_BINARIES_MISSING: { kind: "invalid", isRetryable: false },
  PREFLIGHT_FAILED: { kind: "invalid", isRetryable: false },
  LOG_GAP: { kind: "unavailable", isRetryable: false },
  SYSTEM_IDENTIFIER_CHANGED: { kind: "conflict", isRetryable: false },
  // process
  CATALOG_UNREACHABLE: { kind: "unavailable", isRetryable: true },
  COMMAND_FAILED: { kind: "internal", isRetryable: false },
  CLOCKS_DIFFER: { kind: "unavailable", isRetryable: true },
  POSTPONED: { kind: "unavailable", isRetryable: true },
  TIMED_OUT: { kind: "unavailable", isRetryable: true },
  CANCELLED: { kind: "cancelled", isRetryable: false },
  INTERNAL: { kind: "internal", isRetryable: false },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof errorRules;

export interface ErrorContent {
  /** What failed, with names and values; lower case, no full stop. */
  readonly message: string;
  /** The next step for whoever reads it. */
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The one error class: a code from `errorRules`, a message with values, and what to do next. */
export class BtarError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, content: ErrorContent) {
    super(content.message, content.cause === undefined ? undefined : { cause: content.cause });
    this.name = "BtarError";
    this.code = code;
    this.hint = content.hint;
    this.details = content.details ?? {};
  }

  get kind(): ErrorKind {
    return errorRules[this.code].kind;
  }

  get isRetryable(): boolean {
    return errorRules[this.code].isRetryable;
  }
}

/** Whether `error` is btar's, and of one of `codes` when any are given. */
export function isBtarError(error: unknown, ...codes: readonly ErrorCode[]): error is BtarError {
  return error instanceof BtarError && (codes.length === 0 || codes.includes(error.code));
}

/** One line for people: message, then hint. Causes of foreign errors are included, since they often hold the reason. */
export function describeError(error: unknown): string {
  if (error instanceof BtarError) return error.hint ? `${error.message} (${error.hint})` : error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0]);
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}

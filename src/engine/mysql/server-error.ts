import { BtarError, type ErrorCode } from "../../domain/errors.ts";
import { cancelled as cancelledAt, formatAddress, unreachable as unreachableAt } from "../connection-error.ts";
import type { ServerAddress } from "../engine.ts";

export { formatAddress } from "../connection-error.ts";

/** What an error packet says. */
export interface ServerMessage {
  /** MySQL's number, such as 1045. */
  readonly errno: number;
  /** Five characters, such as `28000`; empty when the server sent none. */
  readonly sqlState: string;
  readonly message: string;
}

/**
 * What a server's error is to btar. Its number is kept in `details.errno`.
 * @see https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html
 */
export function refusal(address: ServerAddress, said: ServerMessage, cause?: unknown): BtarError {
  const hint = hintOf(said.errno, address);
  return new BtarError(codeOf(said.errno), {
    message: `MySQL at ${formatAddress(address)}: ${said.message} (error ${said.errno})`,
    ...(hint !== undefined && { hint }),
    details: { errno: said.errno, sqlState: said.sqlState },
    ...(cause !== undefined && { cause }),
  });
}

/** The number that a server refused with; undefined when `error` is something else. */
export function errnoOf(error: unknown): number | undefined {
  if (!(error instanceof BtarError)) return undefined;
  const { errno } = error.details;
  return typeof errno === "number" ? errno : undefined;
}

export function unreachable(address: ServerAddress, reason: string, cause?: unknown): BtarError {
  return unreachableAt("MySQL", address, reason, cause);
}

export function cancelled(address: ServerAddress, cause: unknown): BtarError {
  return cancelledAt("MySQL", address, cause);
}

export function protocolViolation(address: ServerAddress, what: string): BtarError {
  return new BtarError("SERVER_PROTOCOL", {
    message: `MySQL at ${formatAddress(address)} sent what btar does not understand: ${what}`,
    hint: "check that the address is that of a MySQL server, versions 8.0 to 9.7, without a proxy that alters traffic",
  });
}

/** ER_CON_COUNT_ERROR */
export const tooManyConnections = 1040;

/** The server stops, was made to end this connection, or does not serve now. */
const unavailable = new Set([
  1053, // ER_SERVER_SHUTDOWN
  1080, // ER_FORCING_CLOSE
  1152, // ER_ABORTING_CONNECTION
  1159, // ER_NET_READ_INTERRUPTED
  1161, // ER_NET_WRITE_INTERRUPTED
  1927, // ER_CONNECTION_KILLED
  3032, // ER_SERVER_OFFLINE_MODE
  3168, // ER_SERVER_ISNT_AVAILABLE
  3169, // ER_SESSION_WAS_KILLED
  4031, // ER_CLIENT_INTERACTION_TIMEOUT
]);

/** ER_CRASHED_ON_USAGE, ER_CRASHED_ON_REPAIR, ER_INDEX_CORRUPT, ER_TABLE_CORRUPT */
const corrupt = new Set([1194, 1195, 1712, 1877]);

function codeOf(errno: number): ErrorCode {
  if (unavailable.has(errno)) return "SERVER_UNREACHABLE";
  return corrupt.has(errno) ? "SERVER_DATA_CORRUPT" : "SERVER_REFUSED";
}

function hintOf(errno: number, address: ServerAddress): string | undefined {
  switch (errno) {
    case 1045: // ER_ACCESS_DENIED_ERROR
    case 1698: // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
      return `check the password of ${address.user}, and that the account may log in from this host`;
    case 1044: // ER_DBACCESS_DENIED_ERROR
    case 1049: // ER_BAD_DB_ERROR
      return `check the database ${address.database} and the rights of ${address.user} on it`;
    case 1130: // ER_HOST_NOT_PRIVILEGED
      return `make an account for this host: CREATE USER '${address.user}'@'%' IDENTIFIED BY …;`;
    case 1129: // ER_HOST_IS_BLOCKED
      return "end the block: TRUNCATE TABLE performance_schema.host_cache;";
    case tooManyConnections:
    case 1203: // ER_TOO_MANY_USER_CONNECTIONS
      return "raise max_connections, or end other connections";
    case 3159: // ER_SECURE_TRANSPORT_REQUIRED
      return "use tls mode require or better";
    case 1820: // ER_MUST_CHANGE_PASSWORD
    case 1862: // ER_MUST_CHANGE_PASSWORD_LOGIN
      return `set a new password for ${address.user}`;
    case 3118: // ER_ACCOUNT_HAS_BEEN_LOCKED
      return `unlock the account: ALTER USER '${address.user}' ACCOUNT UNLOCK;`;
    default:
      return unavailable.has(errno)
        ? "the server is stopping or does not accept work; try again when it accepts connections"
        : undefined;
  }
}

import { BtarError, type ErrorCode } from "../../domain/errors.ts";
import { cancelled as cancelledAt, formatAddress, unreachable as unreachableAt } from "../connection-error.ts";
import type { ServerAddress } from "../engine.ts";

export { formatAddress } from "../connection-error.ts";

/** The fields of an ErrorResponse or NoticeResponse that are of use. */
export interface ServerMessage {
  /** `ERROR`, `FATAL`, `WARNING`, …; never translated. */
  readonly severity: string;
  /** Five characters, such as `58P01`. */
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

/**
 * What a server's ErrorResponse is to btar. Its SQLSTATE is kept in `details.sqlState`.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function refusal(address: ServerAddress, said: ServerMessage, cause?: unknown): BtarError {
  const code = codeOfSqlState(said.sqlState);
  const detail = said.detail ? `; ${said.detail}` : "";
  const hint = said.hint ?? hintOfSqlState(said.sqlState, address);
  return new BtarError(code, {
    message: `PostgreSQL at ${formatAddress(address)}: ${said.message}${detail}`,
    ...(hint !== undefined && { hint }),
    details: { sqlState: said.sqlState },
    ...(cause !== undefined && { cause }),
  });
}

/** The SQLSTATE that a server refused with; undefined when `error` is something else. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof BtarError)) return undefined;
  const { sqlState } = error.details;
  return typeof sqlState === "string" ? sqlState : undefined;
}

export function unreachable(address: ServerAddress, reason: string, cause?: unknown): BtarError {
  return unreachableAt("PostgreSQL", address, reason, cause);
}

export function protocolViolation(address: ServerAddress, what: string): BtarError {
  return new BtarError("SERVER_PROTOCOL", {
    message: `PostgreSQL at ${formatAddress(address)} sent what btar does not understand: ${what}`,
    hint: "check that the address is that of a PostgreSQL server, versions 14 to 18, without a proxy that alters traffic",
  });
}

export function cancelled(address: ServerAddress, cause: unknown): BtarError {
  return cancelledAt("PostgreSQL", address, cause);
}

function codeOfSqlState(sqlState: string): ErrorCode {
  if (["57P01", "57P02", "57P03"].includes(sqlState) || sqlState.startsWith("08")) return "SERVER_UNREACHABLE";
  if (["XX001", "XX002"].includes(sqlState)) return "SERVER_DATA_CORRUPT";
  return "SERVER_REFUSED";
}

function hintOfSqlState(sqlState: string, address: ServerAddress): string | undefined {
  switch (sqlState) {
    case "28P01":
      return `check the password of ${address.user}`;
    case "28000":
      return `check the role ${address.user} and the server's pg_hba.conf`;
    case "42501":
      return `give the role what it lacks: ALTER ROLE "${address.user}" REPLICATION;`;
    case "53300":
      return "raise max_wal_senders or max_connections, or end other connections";
    case "57P01":
    case "57P02":
    case "57P03":
      return "the server is starting or stopping; try again when it accepts connections";
    default:
      return undefined;
  }
}

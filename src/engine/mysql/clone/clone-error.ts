import { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { errnoOf, formatAddress, refusal } from "../server-error.ts";

/** Numbers of errors that donors refuse clones with. */
export const cloneErrno = {
  lockTimeout: 1205,
  noPrivilege: 1227,
  noPlugin: 1524,
  internal: 1815,
  otherClone: 3634,
  needsTls: 3872,
} as const;

/** Errors of the network, as the donor sees it: ER_NET_READ_ERROR and its kind. The clone can be taken up again. */
const networkErrnos = new Set([1158, 1159, 1160, 1161]);

/** What a donor's error in clone mode is to btar. */
export function cloneRefusal(
  address: ServerAddress,
  said: { readonly errno: number; readonly message: string },
): BtarError {
  const message = said.message === "" ? "the clone failed" : said.message;
  const error = refusal(address, { errno: said.errno, sqlState: "", message });
  return networkErrnos.has(said.errno) ? unreachable(error) : withCloneHint(error, address);
}

/** An error of the donor, with what to do about it where it is known. */
export function withCloneHint<T>(error: T, address: ServerAddress): T | BtarError {
  const errno = errnoOf(error);
  if (!(error instanceof BtarError) || errno === undefined) return error;
  const hint = hintOf(errno, address);
  if (hint === undefined) return error;
  return new BtarError(error.code, { message: error.message, hint, details: error.details, cause: error });
}

/** The donor no longer has the clone that was to be taken up. */
export function cloneLost(address: ServerAddress, cause: BtarError): BtarError {
  return new BtarError("SERVER_UNREACHABLE", {
    message: `MySQL at ${formatAddress(address)} gave the clone up before its connections were there again: ${cause.message}`,
    hint:
      "the base backup begins anew by itself; if it happens again, let the server wait longer: " +
      "SET GLOBAL clone_donor_timeout_after_network_failure = 30; (minutes)",
    details: cause.details,
    cause,
  });
}

const refusalReason = "streaming-clone";

/** The server is of a kind that btar cannot receive a clone from by itself; a server of its own kind may. */
export function streamingRefused(address: ServerAddress, why: string, cause?: unknown): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `MySQL at ${formatAddress(address)} cannot be cloned by streaming: ${why}`,
    hint:
      "a MySQL of the server's series on the agent's host can receive the clone: let engines.mysql.clone be auto, and " +
      "engines.mysql.basedir name its directory",
    details: { reason: refusalReason },
    ...(cause !== undefined && { cause }),
  });
}

/** Whether only streaming is refused: a local server that receives the clone may do. */
export function isStreamingRefused(error: unknown): error is BtarError {
  return error instanceof BtarError && error.details["reason"] === refusalReason;
}

function unreachable(error: BtarError): BtarError {
  return new BtarError("SERVER_UNREACHABLE", {
    message: error.message,
    hint: "check the network between this host and the server",
    details: error.details,
    cause: error,
  });
}

function hintOf(errno: number, { user }: ServerAddress): string | undefined {
  switch (errno) {
    case cloneErrno.noPlugin:
      return "load the plugin: INSTALL PLUGIN clone SONAME 'mysql_clone.so';";
    case cloneErrno.noPrivilege:
      return `give the account what it lacks: GRANT BACKUP_ADMIN ON *.* TO '${user}'@'%';`;
    case cloneErrno.otherClone:
      return "the server sends one clone at a time: the base backup is taken once the other one has ended";
    case cloneErrno.needsTls:
      return "some of its data is encrypted, and it sends the keys only over TLS: use tls mode require or better";
    case cloneErrno.lockTimeout:
      return "a long ALTER TABLE or another backup holds the backup lock: try again when it has ended";
    case cloneErrno.internal:
      return "look into the server's error log; the base backup is taken again by itself";
    default:
      return undefined;
  }
}

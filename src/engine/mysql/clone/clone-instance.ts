import { setTimeout as delay } from "node:timers/promises";
import mysql from "mysql2";
import { BtarError } from "../../../domain/errors.ts";
import type { BaseBackupProgress, ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import { cancelled, errnoOf, formatAddress, unreachable } from "../server-error.ts";
import { cloneErrno, cloneRefusal } from "./clone-error.ts";

const pollMs = 200;
/** The statement runs as long as it must. This is the most that a timer takes. */
const noLimitMs = 2 ** 31 - 1;
/** A donor that the recipient leaves ends its clone at once, unless it is blocked. */
const leaveLimitMs = 5_000;
/** A donor that still has to notice that an earlier clone was broken off does so within this time. */
const otherCloneLimitMs = 60_000;
const retryPauseMs = 1_000;

/** What the recipient itself refuses a clone with. */
const recipientErrno = { donor: 3862, otherPlugins: 3870, noRoom: 3873 } as const;

export interface CloneInstanceRequest {
  /** Of the recipient, by an account with CLONE_ADMIN. */
  readonly recipient: ServerAddress;
  /** Of the donor, for messages; its account is what the recipient logs in with. */
  readonly donor: ServerAddress;
  /** Where the recipient reaches it. */
  readonly via: { readonly host: string; readonly port: number };
  /** `REQUIRE SSL` and the like. */
  readonly tlsClause: string;
  /** A directory for the attempt with that number; it must not exist. */
  readonly directory: (attempt: number) => string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BaseBackupProgress) => void;
}

/**
 * Has a server clone another one into a directory.
 * @returns the directory
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_DATA_CORRUPT, NOT_ENOUGH_ROOM, CANCELLED
 */
export async function cloneInstance(request: CloneInstanceRequest): Promise<string> {
  const deadline = Date.now() + otherCloneLimitMs;
  for (let attempt = 1; ; attempt += 1) {
    const directory = request.directory(attempt);
    try {
      await runClone(request, directory);
      return directory;
    } catch (error) {
      if (errnoOf(error) !== cloneErrno.otherClone || Date.now() > deadline) throw error;
    }
    await delay(retryPauseMs, undefined, { signal: request.signal }).catch((cause: unknown) => {
      throw cancelled(request.donor, cause);
    });
  }
}

async function runClone(request: CloneInstanceRequest, directory: string): Promise<void> {
  const { donor, recipient, signal } = request;
  const ending = new AbortController();
  await using watcher = await MysqlConnection.open(recipient, { signal: ending.signal });
  await using session = await MysqlConnection.open(recipient, { signal: ending.signal, queryLimitMs: noLimitMs });
  const { id = "" } = await session.queryRow("SELECT CONNECTION_ID() AS id");
  await watcher.query("SET GLOBAL clone_valid_donor_list = ?", [`${request.via.host}:${request.via.port}`]);
  const cloning = session.query(cloneStatement(request, directory));
  const onAbort = () => {
    const leaving = watcher.query(`KILL QUERY ${Number(id)}`).then(async () => await cloning);
    // Why the clone ends is known; how the recipient takes it changes nothing.
    const left = Promise.race([leaving.catch(() => undefined), delay(leaveLimitMs, undefined, { ref: false })]);
    left.finally(() => ending.abort()).catch(() => undefined);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.all([cloning, watch(watcher, cloning, request.onProgress)]);
  } catch (error) {
    if (signal.aborted) throw cancelled(donor, signal.reason);
    throw errorOf(error, request);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function cloneStatement({ donor, via, tlsClause }: CloneInstanceRequest, directory: string): string {
  const values = [donor.user, via.host, via.port, donor.password ?? "", directory];
  return mysql.format(`CLONE INSTANCE FROM ?@?:? IDENTIFIED BY ? DATA DIRECTORY = ? ${tlsClause}`, values);
}

/** Tells the progress until the statement has ended, well or not. */
async function watch(
  session: MysqlConnection,
  cloning: Promise<unknown>,
  onProgress: (progress: BaseBackupProgress) => void,
): Promise<void> {
  const ended = cloning.then(
    () => true,
    () => true,
  );
  while ((await Promise.race([ended, delay(pollMs, false)])) === false) {
    const { done, total } = await session.queryRow(
      "SELECT SUM(data) AS done, SUM(estimate) AS total FROM performance_schema.clone_progress",
    );
    onProgress({ doneBytes: Number(done ?? 0), totalBytes: Number(total ?? 0) });
  }
}

/** Without its cause, which has the statement in it, and so a password. */
function errorOf(error: unknown, { donor, recipient }: CloneInstanceRequest): unknown {
  if (!(error instanceof BtarError)) return error;
  const message = donor.password ? error.message.replaceAll(donor.password, "…") : error.message;
  const told = message.replace(`MySQL at ${formatAddress(recipient)}: `, "").replace(/ \(error \d+\)$/, "");
  switch (errnoOf(error)) {
    case recipientErrno.donor:
      return donorError(donor, told);
    case recipientErrno.noRoom:
      return new BtarError("NOT_ENOUGH_ROOM", { message: told, details: error.details });
    case recipientErrno.otherPlugins:
      return notReceived(donor, told, {
        hint: "install the plugin's library in the plugin directory of the MySQL on the agent's host",
        details: error.details,
      });
    default:
      return notReceived(donor, told, { details: error.details });
  }
}

/** The donor's own error, or that of connecting to it, in the text of the recipient's. */
function donorError(donor: ServerAddress, told: string): BtarError {
  const text = told.replace(/^Clone Donor Error: (Connect failed: )?/, "").replace(/\.$/, "");
  const [, number, message = ""] = /^(\d+) : (.*)$/s.exec(text) ?? [];
  const errno = Number(number);
  // Numbers from 2000 to 2999 are those of MySQL's client library.
  if (!Number.isSafeInteger(errno) || (errno >= 2000 && errno < 3000)) return unreachable(donor, text);
  return cloneRefusal(donor, { errno, message });
}

function notReceived(
  donor: ServerAddress,
  why: string,
  more: { readonly hint?: string; readonly details: Readonly<Record<string, unknown>> },
): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `a MySQL of this host cannot receive a clone of MySQL at ${formatAddress(donor)}: ${why}`,
    ...more,
  });
}

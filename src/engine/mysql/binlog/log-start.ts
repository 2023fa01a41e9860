import { BtarError } from "../../../domain/errors.ts";
import type { StoredLog } from "../../engine.ts";
import { parseStreamName } from "../stream-name.ts";
import { type BinlogPosition, formatPosition, unpackPosition } from "./binlog-position.ts";
import { eventHeaderBytes } from "./event-header.ts";
import type { ServerLogs } from "./server-logs.ts";

/** A server and its binary logs. */
export interface LogServer {
  readonly serverUuid: string;
  readonly logs: ServerLogs;
}

/** Where a server can go on, or why it cannot. */
export type LogStart =
  | { readonly kind: "position"; readonly position: BinlogPosition }
  /** The file in which the stored log ends has no more than this. */
  | { readonly kind: "short"; readonly file: number; readonly sizeBytes: number };

/**
 * Decides where to go on, from what is stored and what the server has. A first start begins with the file that is
 * being written.
 * @throws {BtarError} SYSTEM_IDENTIFIER_CHANGED when it is another server, or its logs were reset or replaced; LOG_GAP
 *   (details.reason `removed`) when it no longer has what follows
 */
export function chooseLogStart(from: StoredLog | undefined, { serverUuid, logs }: LogServer): LogStart {
  if (!from) return { kind: "position", position: { file: logs.newest.file, offset: 0 } };
  const stored = parseStreamName(from.stream).serverUuid;
  if (stored !== serverUuid) throw serverReplaced(stored, serverUuid);
  const position = unpackPosition(from.position);
  if (position.file > logs.newest.file) throw logReplaced(from, logs);
  const log = logs.files.find(({ file }) => file === position.file);
  if (!log) throw logRemoved(from, logs);
  return log.sizeBytes < position.offset ? { kind: "short", ...log } : { kind: "position", position };
}

/** In a format description: the header's place in the file and flags, and whether it is the first since a start. */
const descriptionEndsAt = 13;
const createdAt = eventHeaderBytes + 52;

/**
 * Whether two format descriptions are of the same file. Each file's tells when it was made; what the server may change
 * while it sends one is not compared.
 */
export function isSameFile(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length || a.length < createdAt + 8) return false;
  return (
    a.subarray(0, descriptionEndsAt).equals(b.subarray(0, descriptionEndsAt)) &&
    a.subarray(eventHeaderBytes, createdAt).equals(b.subarray(eventHeaderBytes, createdAt)) &&
    a.subarray(createdAt + 4, -4).equals(b.subarray(createdAt + 4, -4))
  );
}

function serverReplaced(stored: string, found: string): BtarError {
  return new BtarError("SYSTEM_IDENTIFIER_CHANGED", {
    message: `the server is another one: its server_uuid is ${found}, and the stored log is of ${stored}`,
    hint: "if the database was replaced on purpose, protect it as a new service",
    details: { stored, found },
  });
}

/** The server's logs are not those that are stored: they were reset, or the server was restored from an older copy. */
export function logReplaced(from: StoredLog, { baseName, oldest, newest }: ServerLogs): BtarError {
  const names = [oldest, newest].map(({ file, sizeBytes }) => formatPosition(baseName, { file, offset: sizeBytes }));
  return new BtarError("SYSTEM_IDENTIFIER_CHANGED", {
    message:
      `the server's binary logs, ${names.join(" to ")}, do not go on from the stored log, which ends at ` +
      `${formatPosition(baseName, unpackPosition(from.position))}: they were reset, or the server was restored`,
    hint: "a new base backup starts a new recovery window",
    details: { reason: "reset", stream: from.stream, position: from.position },
  });
}

function logRemoved(from: StoredLog, { baseName, files }: ServerLogs): BtarError {
  const position = unpackPosition(from.position);
  const next = files.find(({ file }) => file > position.file)?.file ?? position.file + 1;
  return new BtarError("LOG_GAP", {
    message:
      `the server has removed its binary logs from ${formatPosition(baseName, position)} on before they were stored; ` +
      `it has those from ${formatPosition(baseName, { file: next, offset: 0 })} on`,
    hint: "a new base backup starts a new recovery window; raise binlog_expire_logs_seconds to keep them for longer",
    details: { reason: "removed", stream: from.stream, position: from.position },
  });
}

/** The server's file is the one that is stored, and has less than that. */
export function logLost(from: StoredLog, { baseName }: ServerLogs, sizeBytes: number): BtarError {
  const { file, offset } = unpackPosition(from.position);
  return new BtarError("LOG_GAP", {
    message:
      `the server has lost log: ${formatPosition(baseName, { file, offset: sizeBytes })} is the end of a file of ` +
      `which log is stored up to ${offset} (a crash without sync_binlog=1)`,
    hint: "a new base backup starts a new recovery window; set sync_binlog = 1",
    details: { reason: "lost", stream: from.stream, position: from.position },
  });
}

import { BtarError, isBtarError } from "../../../domain/errors.ts";
import type { ServerAddress, StoredLog } from "../../engine.ts";
import type { MysqlConnection } from "../connection.ts";
import { describeServer } from "../server-description.ts";
import { BinlogDump, type DumpRequest } from "./binlog-dump.ts";
import { type BinlogPosition, packPosition, unpackPosition } from "./binlog-position.ts";
import { binlogMagic, eventHeaderBytes, readEventHeader } from "./event-header.ts";
import { chooseLogStart, isSameFile, type LogServer, logLost, logReplaced } from "./log-start.ts";
import { listServerLogs } from "./server-logs.ts";

/** @throws {BtarError} SERVER_REFUSED, SERVER_PROTOCOL, and those of connections */
export async function describeLogServer(
  session: MysqlConnection,
): Promise<LogServer & { readonly versionNumber: number }> {
  const { identity, versionNumber } = await describeServer(session);
  return { serverUuid: identity.systemId, versionNumber, logs: await listServerLogs(session) };
}

/** Gives the format description of one of a server's files. */
export type DescribeFile = (file: number) => Promise<Buffer>;

/**
 * Where a server goes on with what is stored. A file that is longer is still to be compared, with `checkSameFile`.
 * @throws {BtarError} as `chooseLogStart`, and LOG_GAP (details.reason `lost`) when it has lost log that is stored
 */
export async function findLogStart(
  stored: StoredLog | undefined,
  server: LogServer,
  describe: DescribeFile,
): Promise<BinlogPosition> {
  const start = chooseLogStart(stored, server);
  if (start.kind === "position") return start.position;
  if (!stored) throw new BtarError("INTERNAL", { message: "a first start of a log behind its end" });
  await checkSameFile(stored, server, await describe(start.file));
  throw logLost(stored, server.logs, start.sizeBytes);
}

/** Whether a server goes on with the log that is stored. */
export async function goesOnWith(stored: StoredLog, server: LogServer, describe: DescribeFile): Promise<boolean> {
  try {
    const { file } = await findLogStart(stored, server, describe);
    await checkSameFile(stored, server, await describe(file));
    return true;
  } catch (error) {
    if (isBtarError(error, "SYSTEM_IDENTIFIER_CHANGED", "LOG_GAP")) return false;
    throw error;
  }
}

/**
 * Makes sure that the server's file is the one of which log is stored.
 * @param description the server's format description of the file in which the stored log ends
 * @throws {BtarError} SYSTEM_IDENTIFIER_CHANGED, and what reading throws
 */
export async function checkSameFile(stored: StoredLog, server: LogServer, description: Buffer): Promise<void> {
  const { file, offset } = unpackPosition(stored.position);
  const end = binlogMagic.length + description.length;
  if (offset < end) return; // what is stored of it does not tell
  const bytes = await stored.read?.(packPosition({ file, offset: 0 }));
  if (!bytes) return;
  if (!isSameFile(Buffer.from(bytes.subarray(binlogMagic.length, end)), description)) {
    throw logReplaced(stored, server.logs);
  }
}

/**
 * The format description of a file, which is its first event.
 * @throws {BtarError} SERVER_REFUSED when the server does not have the file (details.errno 1236), those of connections
 */
export async function readFileDescription(
  address: ServerAddress,
  request: Omit<DumpRequest, "offset">,
): Promise<Buffer> {
  await using dump = await BinlogDump.open(address, { ...request, offset: 0 });
  for (;;) {
    const stop = dump.gather();
    const event = dump.buffer.subarray(0, dump.filled);
    const sizeBytes = event.length < eventHeaderBytes ? Number.POSITIVE_INFINITY : readEventHeader(event).sizeBytes;
    if (event.length >= sizeBytes) return Buffer.from(event.subarray(0, sizeBytes));
    if (stop === "aside") await dump.readAside();
    else await dump.receive();
  }
}

import { isBtarError } from "../../../domain/errors.ts";
import type { ServerAddress, StoredLog } from "../../engine.ts";
import type { MysqlConnection } from "../connection.ts";
import { describeServer } from "../server-description.ts";
import { formatStreamName } from "../stream-name.ts";
import { BinlogDump, type DumpRequest } from "./binlog-dump.ts";
import { binlogFileName, packPosition, unpackPosition } from "./binlog-position.ts";
import { binlogMagic, eventHeaderBytes, readEventHeader } from "./event-header.ts";
import { chooseLogStart, isSameFile, type LogServer, logReplaced } from "./log-start.ts";
import { listServerLogs } from "./server-logs.ts";

/** @throws {BtarError} SERVER_REFUSED, SERVER_PROTOCOL, and those of connections */
export async function describeLogServer(
  session: MysqlConnection,
): Promise<LogServer & { readonly versionNumber: number }> {
  const { identity, versionNumber } = await describeServer(session);
  return { serverUuid: identity.systemId, versionNumber, logs: await listServerLogs(session) };
}

/** The stream that begins with a file. */
export function streamBeginningWith(serverUuid: string, description: Buffer): string {
  return formatStreamName({ serverUuid, generation: readEventHeader(description).timeSeconds });
}

/**
 * The stream that a server's log is stored as, or will be: the one that is stored, where the server goes on with it.
 * @throws {BtarError} SERVER_REFUSED, SERVER_PROTOCOL, and those of connections
 */
export async function currentStream(
  address: ServerAddress,
  session: MysqlConnection,
  request: { readonly stored: StoredLog | undefined; readonly readerName: string; readonly signal: AbortSignal },
): Promise<string> {
  const { stored, readerName, signal } = request;
  const server = await describeLogServer(session);
  const describe = (file: number) =>
    readDescription(address, {
      fileName: binlogFileName(server.logs.baseName, file),
      offset: 0,
      readerName: `${readerName} description`, // another one than the archiver's, which would else be ended
      signal,
    });
  if (stored && (await goesOn(stored, server, describe))) return stored.stream;
  return streamBeginningWith(server.serverUuid, await describe(server.logs.newest.file));
}

async function goesOn(
  stored: StoredLog,
  server: LogServer,
  describe: (file: number) => Promise<Buffer>,
): Promise<boolean> {
  try {
    const { file } = chooseLogStart(stored, server);
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
  if (offset === 0) return; // nothing of it is stored
  const bytes = await stored.read?.(packPosition({ file, offset: 0 }));
  if (!bytes) return;
  const event = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(binlogMagic.length);
  if (event.length < description.length) return; // of the file's beginning, not even this is stored in one piece
  if (!isSameFile(event.subarray(0, description.length), description)) throw logReplaced(stored, server.logs);
}

/** The format description of a file, which is its first event. */
async function readDescription(address: ServerAddress, request: DumpRequest): Promise<Buffer> {
  await using dump = await BinlogDump.open(address, request);
  for (;;) {
    const stop = dump.gather();
    const event = dump.buffer.subarray(0, dump.filled);
    const sizeBytes = event.length < eventHeaderBytes ? Number.POSITIVE_INFINITY : readEventHeader(event).sizeBytes;
    if (event.length >= sizeBytes) return Buffer.from(event.subarray(0, sizeBytes));
    if (stop === "aside") await dump.readAside();
    else await dump.receive();
  }
}

import { randomUUID } from "node:crypto";
import type { ServerAddress, StoredLog } from "../../engine.ts";
import type { UnstoredLog } from "../../log-reading.ts";
import { binlogFileName, packPosition } from "../binlog/binlog-position.ts";
import { BinlogReader } from "../binlog/binlog-reader.ts";
import { endOfServerLog } from "../binlog/server-logs.ts";
import { checkSameFile, describeLogServer, findLogStart, readFileDescription } from "../binlog/stream-server.ts";
import { MysqlConnection } from "../connection.ts";

/** Reads the binary logs that a server has beyond what is stored, up to where it is now. It removes nothing there. */
export async function* readUnstoredBinlogs(
  address: ServerAddress,
  { from, signal }: { readonly from: StoredLog; readonly signal: AbortSignal },
): AsyncGenerator<UnstoredLog, void, undefined> {
  await using session = await MysqlConnection.open(address, { signal });
  const server = await describeLogServer(session);
  const { baseName } = server.logs;
  const readerName = `unstored log ${randomUUID()}`;
  const start = await findLogStart(from, server, (file) =>
    readFileDescription(address, { fileName: binlogFileName(baseName, file), readerName, signal }),
  );
  const end = packPosition(await endOfServerLog(session, server));
  if (packPosition(start) >= end) return;
  const options = { baseName, start, readerName, signal, onFile: () => undefined };
  const { reader, description } = await BinlogReader.open(address, options);
  await using _reader = reader;
  if (description) await checkSameFile(from, server, description);
  for await (const part of reader.parts()) {
    if (part.kind === "heartbeat") continue;
    const { file, start: offset, bytes, nextFile } = part;
    const next = nextFile === undefined ? { file, offset: offset + bytes.length } : { file: nextFile, offset: 0 };
    yield { kind: "bytes", from: "server", start: packPosition({ file, offset }), end: packPosition(next), bytes };
    if (packPosition(next) >= end) return;
  }
}

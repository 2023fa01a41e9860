import { BtarError } from "../../../domain/errors.ts";
import type { MysqlConnection } from "../connection.ts";
import { formatAddress, protocolViolation } from "../server-error.ts";
import { type BinlogPosition, parseBinlogFileName } from "./binlog-position.ts";

/** A binary log that a server has. */
export interface ServerLog {
  readonly file: number;
  /** As it is sent: without what an encrypted file has before it. */
  readonly sizeBytes: number;
}

/** The binary logs of a server, oldest first, of which there is one at least. */
export interface ServerLogs {
  /** What their names begin with. */
  readonly baseName: string;
  readonly oldest: ServerLog;
  /** The one that is written now. */
  readonly newest: ServerLog;
  readonly files: readonly ServerLog[];
}

/** From this version on, SHOW MASTER STATUS has another name; MySQL 8.4 knows the new one alone. */
const renamedSince = 80_200;

/** An encrypted file begins with this many bytes of its own; positions do not count them. */
const encryptionBytes = 512;

/** @throws {BtarError} SERVER_REFUSED (no binary logs, or no right to see them), and those of connections */
export async function listServerLogs(session: MysqlConnection): Promise<ServerLogs> {
  const rows = await session.query("SHOW BINARY LOGS");
  let baseName = "";
  const files = rows.map(({ Log_name: name, File_size: size, Encrypted: encrypted }) => {
    const named = parseBinlogFileName(name ?? "");
    baseName = named.baseName;
    return { file: named.file, sizeBytes: Number(size) - (encrypted === "Yes" ? encryptionBytes : 0) };
  });
  const [oldest, newest] = [files[0], files.at(-1)];
  if (!oldest || !newest) throw noBinaryLogs(session);
  return { baseName, oldest, newest, files };
}

/**
 * Where the server's binary log ends. Everything that it had committed before it was asked lies before: it waits for
 * what is being written.
 * @throws {BtarError} as `listServerLogs`
 */
export async function endOfServerLog(
  session: MysqlConnection,
  { versionNumber }: { readonly versionNumber: number },
): Promise<BinlogPosition> {
  const [row] = await session.query(versionNumber >= renamedSince ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
  if (!row) throw noBinaryLogs(session);
  const offset = Number(row["Position"]);
  if (!Number.isSafeInteger(offset)) throw protocolViolation(session.address, `"${row["Position"]}" as its position`);
  return { file: parseBinlogFileName(row["File"] ?? "").file, offset };
}

function noBinaryLogs(session: MysqlConnection): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `MySQL at ${formatAddress(session.address)} writes no binary log`,
    hint: "turn log_bin on (it is by default), and restart the server",
  });
}

import { randomUUID } from "node:crypto";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import type { BaseBackupFacts, ServerAddress, StoredLog } from "../../engine.ts";
import type { MysqlConnection } from "../connection.ts";
import { formatAddress } from "../server-error.ts";
import { formatStreamName } from "../stream-name.ts";
import { type BinlogPosition, binlogFileName, packPosition } from "./binlog-position.ts";
import { readEventHeader } from "./event-header.ts";
import { isSameFile } from "./log-start.ts";
import { endOfServerLog, listServerLogs } from "./server-logs.ts";
import { describeLogServer, goesOnWith, readFileDescription } from "./stream-server.ts";

export interface BackupLogRequest {
  readonly address: ServerAddress;
  /** Log of the service that is stored. */
  readonly stored: StoredLog | undefined;
  readonly signal: AbortSignal;
}

/**
 * Tells which log makes a base backup consistent: of the stream that is stored, where the server goes on with that, else
 * of the one that an archiver begins with the server's newest file.
 */
export class BackupLog {
  readonly #request: BackupLogRequest;
  readonly #readerName = `backup ${randomUUID()}`;
  #versionNumber = 0;
  #stream = "";
  /** The file that was written when the backup began, and what it says of itself. */
  #start: BinlogPosition = { file: 0, offset: 0 };
  #description: Buffer = Buffer.alloc(0);

  private constructor(request: BackupLogRequest) {
    this.#request = request;
  }

  /**
   * To be called before anything is read of the server.
   * @throws {BtarError} SERVER_REFUSED, SERVER_PROTOCOL, and those of connections
   */
  static async begin(session: MysqlConnection, request: BackupLogRequest): Promise<BackupLog> {
    const log = new BackupLog(request);
    const server = await describeLogServer(session);
    const { baseName, newest } = server.logs;
    const describe = (file: number) => log.#describe(baseName, file);
    log.#versionNumber = server.versionNumber;
    log.#start = { file: newest.file, offset: 0 };
    log.#description = await describe(newest.file);
    const generation = readEventHeader(log.#description).timeSeconds;
    const isStored = request.stored && (await goesOnWith(request.stored, server, describe));
    log.#stream = isStored ? request.stored.stream : formatStreamName({ serverUuid: server.serverUuid, generation });
    return log;
  }

  /**
   * To be called when all was read.
   * @returns the log from the beginning of the file that was written when the backup began, since log is read by whole
   *   files, to where the server's log ends now
   * @throws {BtarError} SERVER_REFUSED when the server's logs were reset meanwhile, and as `begin`
   */
  async end(session: MysqlConnection): Promise<BaseBackupFacts["log"]> {
    const end = await endOfServerLog(session, { versionNumber: this.#versionNumber });
    const { baseName, files } = await listServerLogs(session);
    const { file } = this.#start;
    const isThere = files.some((each) => each.file === file);
    if (end.file < file || (isThere && !(await this.#isSame(baseName, file)))) throw wasReset(session);
    return { stream: this.#stream, start: packPosition(this.#start), end: packPosition(end) };
  }

  async #isSame(baseName: string, file: number): Promise<boolean> {
    try {
      return isSameFile(await this.#describe(baseName, file), this.#description);
    } catch (error) {
      if (isBtarError(error, "SERVER_REFUSED")) return true; // removed since it was listed
      throw error;
    }
  }

  async #describe(baseName: string, file: number): Promise<Buffer> {
    const { address, signal } = this.#request;
    const fileName = binlogFileName(baseName, file);
    return await readFileDescription(address, { fileName, readerName: this.#readerName, signal });
  }
}

function wasReset(session: MysqlConnection): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `the binary logs of MySQL at ${formatAddress(session.address)} were reset while its backup was taken`,
    hint: "it is taken again by itself",
  });
}

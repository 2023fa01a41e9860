import type { MysqlConnection } from "../connection.ts";
import { binlogFileName, unpackPosition } from "./binlog-position.ts";

/** A file of the server's, and when it was made, seconds since 1970 by the server's clock. */
interface KnownFile {
  readonly file: number;
  readonly createdSeconds: number;
}

/**
 * Removes binary logs from a server of btar's own, whose settings leave it to btar: those that are stored, and that the
 * server is not to keep any longer. Files before one that is old enough are older still, since it was made when they
 * were complete.
 */
export class StoredLogPurge {
  readonly #baseName: string;
  #files: KnownFile[] = [];
  #storedFile = 0;

  constructor(baseName: string) {
    this.#baseName = baseName;
  }

  /** A file begins; in order of the numbers. */
  begun(file: KnownFile): void {
    this.#files.push(file);
  }

  /** All before this position is stored. */
  stored(position: string): void {
    this.#storedFile = Math.max(this.#storedFile, unpackPosition(position).file);
  }

  /** The oldest file that stays, when there are some before it to be removed; it is told once. */
  due(clock: { readonly nowSeconds: number; readonly keepSeconds: number }): number | undefined {
    const since = clock.nowSeconds - clock.keepSeconds;
    const isOver = (known: KnownFile) => known.file <= this.#storedFile && known.createdSeconds <= since;
    const oldest = this.#files.findLast(isOver);
    if (!oldest) return undefined;
    this.#files = this.#files.filter(({ file }) => file > oldest.file);
    return oldest.file;
  }

  /** @throws {BtarError} SERVER_REFUSED, and those of connections */
  async run(
    session: MysqlConnection,
    clock: { readonly nowSeconds: number; readonly keepSeconds: number },
  ): Promise<void> {
    const file = this.due(clock);
    if (file !== undefined) await session.query("PURGE BINARY LOGS TO ?", [binlogFileName(this.#baseName, file)]);
  }
}

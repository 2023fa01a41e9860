import { crc32c } from "@node-rs/crc32";
import { BtarError } from "../../domain/errors.ts";
import type { FileSink } from "../engine.ts";
import type { ReceivedFile } from "./server-manifest.ts";
import { type TarEntry, TarReader } from "./tar-reader.ts";

/** Tablespaces lie in the data directory as `pg_tblspc/OID`, links to where they are. */
const tablespacesDirectory = "pg_tblspc";

/**
 * Gives the archives of a base backup to a sink as the files of one data directory: those of tablespace OID under
 * `pg_tblspc/OID`, which is a directory here and not a link.
 */
export class BackupFiles {
  /** What arrived, by path. */
  readonly received = new Map<string, ReceivedFile>();
  readonly #sink: FileSink;
  readonly #directories = new Set<string>();
  #archive: { readonly tar: TarReader; readonly prefix: string } | undefined;
  #path = "";
  #sizeBytes = 0;
  #crc32c = 0;

  constructor(sink: FileSink) {
    this.#sink = sink;
  }

  /** @param tablespaceOid undefined for the data directory itself */
  beginArchive(tablespaceOid: string | undefined): void {
    this.endArchive();
    this.#archive = { tar: new TarReader(), prefix: tablespaceOid ? `${tablespacesDirectory}/${tablespaceOid}/` : "" };
    if (!tablespaceOid) return;
    // Tablespaces come before the data directory's own directories.
    this.#directory(tablespacesDirectory, 0o700);
    this.#directory(`${tablespacesDirectory}/${tablespaceOid}`, 0o700);
  }

  /** @throws {BtarError} SERVER_PROTOCOL when the archive is cut short */
  endArchive(): void {
    this.#archive?.tar.finish();
    this.#archive = undefined;
  }

  /**
   * Takes the next piece of the archive; done with `piece` when the promise settles.
   * @throws {BtarError} UNSAFE_PATH, SERVER_PROTOCOL, and what the sink throws
   */
  async read(piece: Buffer): Promise<void> {
    if (!this.#archive) throw new Error("no archive was begun");
    for (const event of this.#archive.tar.read(piece)) {
      if (event.kind === "entry") this.#begin({ ...event.entry, path: this.#archive.prefix + event.entry.path });
      else if (event.kind === "end") this.#endFile();
      else {
        const drained = this.#sink.drained();
        if (drained) await drained;
        this.#sink.write(event.bytes);
        this.#crc32c = crc32c(event.bytes, this.#crc32c);
      }
    }
  }

  #begin(entry: TarEntry): void {
    const { path, sizeBytes, mode, modifiedAt } = entry;
    if (entry.type === "directory") return this.#directory(path, mode);
    if (entry.type === "symlink") {
      // The server's own links to tablespaces; what they point to comes as files.
      if (path.startsWith(`${tablespacesDirectory}/`)) return;
      throw unexpected(`link "${path}"`);
    }
    if (this.received.has(path) || this.#directories.has(path)) throw unexpected(`"${path}" twice`);
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    this.#crc32c = 0;
    this.#sink.beginFile({ path, sizeBytes, mode, modifiedAt });
  }

  #endFile(): void {
    this.#sink.endFile();
    this.received.set(this.#path, { sizeBytes: this.#sizeBytes, crc32c: this.#crc32c });
  }

  #directory(path: string, mode: number): void {
    if (this.received.has(path)) throw unexpected(`"${path}" as a file and as a directory`);
    if (this.#directories.has(path)) return;
    this.#directories.add(path);
    this.#sink.directory(path, mode);
  }
}

function unexpected(what: string): BtarError {
  return new BtarError("SERVER_PROTOCOL", {
    message: `the server's base backup contains ${what}`,
    hint: "take the base backup again; if it fails the same way, the server is not PostgreSQL as btar knows it",
  });
}

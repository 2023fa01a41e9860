import { crc32c } from "@node-rs/crc32";
import { BtarError } from "../../domain/errors.ts";
import type { ChangedFileSink, FileSink } from "../engine.ts";
import { ChangedFileReader } from "./changed-file-reader.ts";
import type { ReceivedFile } from "./server-manifest.ts";
import { type TarEntry, TarReader } from "./tar-reader.ts";

/** Tablespaces lie in the data directory as `pg_tblspc/OID`, links to where they are. */
const tablespacesDirectory = "pg_tblspc";
const incrementalPrefix = "INCREMENTAL.";
const backupLabel = "backup_label";
const maxLabelBytes = 64 * 1024;

/**
 * Gives the archives of a base backup to a sink as the files of one data directory: those of tablespace OID under
 * `pg_tblspc/OID`, which is a directory here and not a link.
 */
export class BackupFiles {
  /** What arrived, by path. */
  readonly received = new Map<string, ReceivedFile>();
  readonly #sink: FileSink;
  readonly #changes: ChangedFileSink | undefined;
  readonly #directories = new Set<string>();
  #archive: { readonly tar: TarReader; readonly prefix: string } | undefined;
  #changed: ChangedFileReader | undefined;
  /** The label of an incremental backup, which is not given to the sink as it comes. */
  #label: { readonly entry: TarEntry; readonly parts: Buffer[] } | undefined;
  #path = "";
  #sizeBytes = 0;
  #crc32c: number | undefined;
  readonly #isChecksummed: boolean;

  /**
   * @param options.changes takes the files of which only changes come; undefined when all files come whole
   * @param options.isChecksummed whether the server's manifest has checksums, which are then made here as well
   */
  constructor(
    sink: FileSink,
    options: { readonly changes: ChangedFileSink | undefined; readonly isChecksummed: boolean },
  ) {
    this.#sink = sink;
    this.#changes = options.changes;
    this.#isChecksummed = options.isChecksummed;
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
      else if (event.kind === "end") await this.#endFile();
      else {
        const taken = this.#content(event.bytes);
        if (taken) await taken;
        if (this.#isChecksummed) this.#crc32c = crc32c(event.bytes, this.#crc32c);
      }
    }
  }

  /** A promise only when there is something to wait for, as it mostly is not. */
  #content(bytes: Buffer): Promise<void> | undefined {
    if (this.#changed) return this.#changed.read(bytes);
    if (!this.#label) return this.#write(bytes);
    this.#label.parts.push(Buffer.from(bytes));
    return undefined;
  }

  #write(bytes: Buffer): Promise<void> | undefined {
    const drained = this.#sink.drained();
    if (drained) return drained.then(() => this.#sink.write(bytes));
    this.#sink.write(bytes);
    return undefined;
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
    this.#crc32c = this.#isChecksummed ? 0 : undefined;
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (this.#changes && name.startsWith(incrementalPrefix)) {
      const ownPath = path.slice(0, path.length - name.length) + name.slice(incrementalPrefix.length);
      this.#changed = new ChangedFileReader({ path: ownPath, sizeBytes, mode, modifiedAt }, this.#changes);
    } else if (this.#changes && path === backupLabel && sizeBytes <= maxLabelBytes) this.#label = { entry, parts: [] };
    else this.#sink.beginFile({ path, sizeBytes, mode, modifiedAt });
  }

  async #endFile(): Promise<void> {
    if (this.#changed) await this.#changed.finish();
    else if (this.#label) await this.#writeLabel(this.#label.entry, Buffer.concat(this.#label.parts));
    else this.#sink.endFile();
    this.#changed = undefined;
    this.#label = undefined;
    this.received.set(this.#path, { sizeBytes: this.#sizeBytes, crc32c: this.#crc32c });
  }

  /** What is stored is a whole data directory; with the lines of an increment in its label, no server would start. */
  async #writeLabel({ path, mode, modifiedAt }: TarEntry, label: Buffer): Promise<void> {
    const text = label.toString("latin1").replaceAll(/^INCREMENTAL FROM (?:LSN|TLI): .*\n/gm, "");
    this.#sink.beginFile({ path, sizeBytes: text.length, mode, modifiedAt });
    await this.#write(Buffer.from(text, "latin1"));
    this.#sink.endFile();
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

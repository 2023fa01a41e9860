import { BtarError } from "../../../domain/errors.ts";
import type { ScatteredFile, ScatteredFileSink } from "../../engine.ts";
import type { DataDescriptor, FileDescriptor, Malformed } from "./descriptor.ts";
import { type FilePlace, filePlace, redoPath } from "./file-place.ts";
import { initialPage, initialSize, roundedSize, type TablespaceLayout, tablespaceLayout } from "./page-layout.ts";

/** MySQL makes its files for its own user, and for backup programs of its group. */
export const cloneFileMode = 0o640;
export const cloneDirectoryMode = 0o750;

/** Without it, a server cannot open its data dictionary, although nothing needs to be in it. */
const requiredDirectory = "mysql";

/** A file that a clone brings. */
export interface DonorFile {
  readonly content: ScatteredFile;
  place: FilePlace;
  sizeBytes: number;
  /** Undefined when it is no tablespace. */
  layout: TablespaceLayout | undefined;
  /** Whether page 0 came with a key. It may come before, or go after, the file counts as encrypted. */
  hasKey: boolean;
  readonly spaceId: number;
  /** Those of `file-copy` that bring it. */
  readonly chunks: { readonly first: number; readonly last: number };
  isDeleted: boolean;
  /** Page 0 of a file that was created meanwhile, until something else comes: that lies over it. */
  initialPage: Buffer | undefined;
}

/** A file that a backup holds, as restoring it must know it. */
export interface ClonedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly spaceId: number;
  readonly layout: TablespaceLayout | undefined;
}

/** What becomes of a clone's files. */
export interface FinishedFiles {
  readonly files: readonly ClonedFile[];
  /** Locations outside of the donor's data directory, by their path in the backup. */
  readonly externalLocations: ReadonlyMap<string, string>;
  /** In order of their numbers. */
  readonly redoPaths: readonly string[];
}

/**
 * The files of a clone, by their number: names change while it runs, and can be those of others for a time. Files that
 * are dropped meanwhile are none of the backup.
 */
export class DonorFiles {
  readonly #sink: ScatteredFileSink;
  readonly #malformed: Malformed;
  readonly #versionNumber: number;
  readonly #files = new Map<number, DonorFile>();
  readonly #redo = new Map<number, DonorFile>();

  /** @param options.versionNumber of the donor, such as 90704 */
  constructor(sink: ScatteredFileSink, options: { readonly malformed: Malformed; readonly versionNumber: number }) {
    this.#sink = sink;
    this.#malformed = options.malformed;
    this.#versionNumber = options.versionNumber;
  }

  get count(): number {
    return this.#files.size;
  }

  /** A file that the donor has had from the beginning. Files that it names again, after a break, stay as they are. */
  announce(said: FileDescriptor): void {
    if (!this.#files.has(said.index)) this.#files.set(said.index, this.#open(said, said.sizeBytes));
    if (said.isDeleted) this.remove(said);
  }

  /** The file is gone, whatever still comes of it. @returns the file, if it was known */
  remove({ index }: FileDescriptor): DonorFile | undefined {
    const file = this.#files.get(index);
    if (file) file.isDeleted = true;
    return file;
  }

  /**
   * What DDL has done to a file by the end of a state.
   * @param versions bytes 8 to 15 of the data dictionary's first page
   */
  change(said: FileDescriptor, versions: Buffer | undefined): void {
    const file = this.#files.get(said.index);
    if (said.isDeleted) {
      if (!this.remove(said)) this.announce(said);
      return;
    }
    if (!file) return this.#create(said, versions);
    file.sizeBytes = Math.max(file.sizeBytes, said.sizeBytes);
    if (said.tablespaceFlags !== undefined) file.layout = tablespaceLayout(said.tablespaceFlags);
    if (said.isRenamed) file.place = this.#placeOf(said, file.layout);
  }

  announceRedo(said: FileDescriptor): void {
    const known = this.#redo.get(said.index);
    if (known) known.sizeBytes = Math.max(known.sizeBytes, said.sizeBytes);
    else {
      const place = { path: redoPath(said.index, this.#versionNumber), external: undefined };
      const content = this.#sink.openFile(place.path);
      const { sizeBytes, spaceId } = said;
      const chunks = { first: said.firstChunk, last: said.lastChunk };
      const state = { chunks, isDeleted: false, layout: undefined, hasKey: false, initialPage: undefined };
      this.#redo.set(said.index, { ...state, place, content, sizeBytes, spaceId });
    }
  }

  /** The file that data is of. */
  of(data: DataDescriptor): DonorFile {
    const file = (data.state === "redo-copy" ? this.#redo : this.#files).get(data.fileIndex);
    if (!file) throw this.#malformed(`data of file ${data.fileIndex}, which it has not named`);
    return file;
  }

  /** Files whose first page has to be written, since no other came. */
  *withInitialPage(): Generator<DonorFile> {
    for (const file of this.#files.values()) if (file.initialPage && !file.isDeleted) yield file;
  }

  /**
   * Gives all files their names and sizes, and tells of the directories that they lie in.
   * @param modifiedAt stored with each file
   * @throws {BtarError} SERVER_PROTOCOL when two files have one name, and what the sink throws
   */
  async finish(modifiedAt: Date): Promise<FinishedFiles> {
    const kept = [...this.#files.values(), ...this.#redo.values()].filter(({ isDeleted }) => !isDeleted);
    this.#refuseSameNames(kept);
    for (const path of directoriesOf(kept)) this.#sink.directory(path, cloneDirectoryMode);
    const files: ClonedFile[] = [];
    const externalLocations = new Map<string, string>();
    for (const { place, spaceId, ...file } of kept) {
      const layout = file.layout && { ...file.layout, isEncrypted: file.layout.isEncrypted || file.hasKey };
      const sizeBytes = layout ? roundedSize(file.sizeBytes, layout) : file.sizeBytes;
      await file.content.finish({ path: place.path, sizeBytes, mode: cloneFileMode, modifiedAt });
      files.push({ path: place.path, sizeBytes, spaceId, layout });
      if (place.external) externalLocations.set(place.external.path, place.external.location);
    }
    const redo = [...this.#redo].sort(([one], [other]) => one - other);
    return { files, externalLocations, redoPaths: redo.map(([, { place }]) => place.path) };
  }

  #open(said: FileDescriptor, sizeBytes: number): DonorFile {
    const layout = said.tablespaceFlags === undefined ? undefined : tablespaceLayout(said.tablespaceFlags);
    const place = this.#placeOf(said, layout);
    const content = this.#sink.openFile(place.path);
    const chunks = { first: said.firstChunk, last: said.lastChunk };
    const { spaceId } = said;
    const state = { chunks, isDeleted: false, hasKey: false, initialPage: undefined };
    return { ...state, content, place, layout, sizeBytes, spaceId };
  }

  #create(said: FileDescriptor, versions: Buffer | undefined): void {
    const { spaceId, tablespaceFlags: flags, key } = said;
    if (flags === undefined) throw this.#malformed(`a new file ${said.index} that is no tablespace`);
    if (!versions) throw this.#malformed("a new file before the first page of the data dictionary");
    const sizeBytes = Math.max(said.sizeBytes, initialSize(spaceId, tablespaceLayout(flags)));
    const file = this.#open(said, sizeBytes);
    file.initialPage = initialPage({ flags, spaceId, versions, key });
    file.hasKey = key !== undefined;
    this.#files.set(said.index, file);
  }

  #placeOf({ name, index }: FileDescriptor, layout: TablespaceLayout | undefined): FilePlace {
    if (name.length === 0) throw this.#malformed(`a file ${index} without a name`);
    return filePlace(name, { isShared: layout?.isShared ?? false });
  }

  #refuseSameNames(files: readonly DonorFile[]): void {
    const seen = new Set<string>();
    for (const { place } of files) {
      if (seen.has(place.path)) throw this.#malformed(`two files of the name ${place.path}`);
      seen.add(place.path);
    }
  }
}

function directoriesOf(files: readonly DonorFile[]): readonly string[] {
  const directories = new Set([requiredDirectory]);
  for (const { place } of files) {
    const parts = place.path.split("/");
    for (let count = 1; count < parts.length; count += 1) directories.add(parts.slice(0, count).join("/"));
  }
  return [...directories].sort();
}

/** A key that came damaged would make everything under it unreadable. */
export function damagedKey(path: string): BtarError {
  return new BtarError("SERVER_DATA_CORRUPT", {
    message: `the encryption key of ${path} came damaged`,
    hint: "the base backup is taken again by itself; if it fails again, rotate the key: ALTER INSTANCE ROTATE INNODB MASTER KEY;",
  });
}

import { BtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import { BaseBackupWriter } from "./base-backup-writer.ts";
import type { BlobWorkers } from "./blob-workers.ts";
import { type DataKeys, ensureDataKeys, loadDataKeys } from "./data-keys.ts";
import { earliestStart, type LogPiece, maxPieceBytes } from "./log-piece.ts";
import { type BackupManifest, decodeManifest, encodeManifest } from "./manifest.ts";
import { type LogPieceName, objectNames, parseLogPieceName, sealedRole } from "./object-names.ts";
import { PackWriter } from "./pack-writer.ts";
import type { PreviousBackup } from "./previous-backup.ts";
import { type ObjectRole, openObject, sealObject } from "./sealed-object.ts";
import { decodeDescription, type ServiceDescription } from "./service-description.ts";

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** One service's backups in one store: what the bytes there mean. */
export class Repository {
  readonly store: ObjectStore;
  readonly serviceId: string;
  readonly keys: DataKeys;
  readonly #compressionLevel: number;

  private constructor(options: {
    readonly store: ObjectStore;
    readonly serviceId: string;
    readonly keys: DataKeys;
    readonly compressionLevel: number;
  }) {
    this.store = options.store;
    this.serviceId = options.serviceId;
    this.keys = options.keys;
    this.#compressionLevel = options.compressionLevel;
  }

  /** For writing: makes the service's data key if the store has none. */
  static async create(options: RepositoryOptions & CallOptions): Promise<Repository> {
    const keys = await ensureDataKeys(options.store, options.serviceId, options.masterKey, options.signal);
    return new Repository({ ...options, keys });
  }

  /**
   * For reading.
   * @throws {BtarError} NO_BACKUP when the store has nothing of the service
   */
  static async open(options: RepositoryOptions & CallOptions): Promise<Repository> {
    const keys = await loadDataKeys(options.store, options.serviceId, options.masterKey, options.signal);
    if (!keys) {
      throw new BtarError("NO_BACKUP", {
        message: `${options.store.url} holds no backup of service ${options.serviceId}`,
        hint: "choose another location of the service",
      });
    }
    return new Repository({ ...options, keys });
  }

  /**
   * A writer for the files of a new base backup, which exists once `putManifest` has named them.
   * @param options.previous what it builds on
   */
  baseBackupWriter(options: {
    readonly workers: BlobWorkers;
    readonly previous: PreviousBackup | undefined;
    readonly signal: AbortSignal;
  }): BaseBackupWriter {
    const { workers, previous, signal } = options;
    const packs = new PackWriter({ store: this.store, serviceId: this.serviceId, dataKey: this.keys.current, signal });
    return new BaseBackupWriter({
      packs,
      workers,
      compressionLevel: this.#compressionLevel,
      fingerprintSeed: this.keys.fingerprintSeed,
      previous,
    });
  }

  /** Makes a base backup exist. Everything that it names must be stored by now. */
  async putManifest(manifest: BackupManifest, options: CallOptions = {}): Promise<void> {
    const name = objectNames.manifest(this.serviceId, manifest.backupId);
    await this.#putSealed("manifest", name, encodeManifest(manifest), options);
  }

  /** @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED, UNSAFE_PATH */
  async manifest(backupId: string, options: CallOptions = {}): Promise<BackupManifest> {
    const name = objectNames.manifest(this.serviceId, backupId);
    const manifest = decodeManifest(await this.#getSealed("manifest", name, options), name);
    if (manifest.backupId !== backupId || manifest.serviceId !== this.serviceId) throw misplaced(name);
    return manifest;
  }

  /** Identifiers of the base backups that exist here, oldest first. */
  async backupIds(options: CallOptions = {}): Promise<readonly string[]> {
    const ids: string[] = [];
    // A folder without a manifest is no backup; the manifest is all that lies in one.
    for await (const { key } of this.store.list(objectNames.manifests(this.serviceId), options)) {
      const [id, last, ...rest] = key.slice(objectNames.manifests(this.serviceId).length).split("/");
      if (id !== undefined && last === "manifest" && rest.length === 0) ids.push(id);
    }
    return ids.sort();
  }

  /**
   * Stores a piece of log.
   * @returns its object's size; 0 when it was there already
   */
  async putLogPiece(piece: LogPieceName, bytes: Uint8Array, options: CallOptions = {}): Promise<number> {
    if (bytes.length > maxPieceBytes) {
      throw new BtarError("INTERNAL", { message: `the piece of log ${piece.start} to ${piece.end} is too long` });
    }
    return await this.#putSealed("logPiece", objectNames.logPiece(this.serviceId, piece), bytes, options);
  }

  /** @throws {BtarError} OBJECT_MISSING (it may have been merged: list again), OBJECT_DAMAGED */
  async logPiece(piece: LogPieceName, options: CallOptions = {}): Promise<Buffer> {
    return await this.#getSealed("logPiece", objectNames.logPiece(this.serviceId, piece), options);
  }

  /** Removes a piece whose log another piece holds, or nobody needs. */
  async removeLogPiece(piece: LogPieceName, options: CallOptions = {}): Promise<void> {
    await this.store.delete(objectNames.logPiece(this.serviceId, piece), options);
  }

  /** Small text that belongs to a stream (PostgreSQL: its timeline's history). */
  async putLogHistory(stream: string, history: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#putSealed("logHistory", objectNames.logHistory(this.serviceId, stream), history, options);
  }

  /** @returns undefined when the stream has none */
  async logHistory(stream: string, options: CallOptions = {}): Promise<Buffer | undefined> {
    const name = objectNames.logHistory(this.serviceId, stream);
    const sealed = await this.store.get(name, options);
    return sealed && (await openObject({ role: "logHistory", name, keys: this.keys, sealed }));
  }

  async logStreams(options: CallOptions = {}): Promise<readonly string[]> {
    return await this.store.listFolders(objectNames.log(this.serviceId), options);
  }

  /**
   * Pieces of a stream in order of their start, then their end. They may overlap: `widestPieces` leaves out those that
   * others hold. Costs what is listed, not what the stream has.
   * @param options.from only pieces that end after this position
   * @param options.to only pieces that begin before this position
   */
  async *logPieces(
    stream: string,
    options: CallOptions & { readonly from?: string; readonly to?: string } = {},
  ): AsyncGenerator<LogPiece> {
    yield* listLogPieces(this.store, { ...options, serviceId: this.serviceId, stream });
  }

  /** @returns the version that it was stored as */
  async putDescription(description: ServiceDescription, options: CallOptions = {}): Promise<string> {
    const version = description.writtenAt.replaceAll(/[-:.]/g, "");
    const plain = Buffer.from(JSON.stringify(description));
    await this.#putSealed("description", objectNames.description(this.serviceId, version), plain, options);
    return version;
  }

  /** Versions of the service's description that are here, oldest first. */
  async descriptionVersions(options: CallOptions = {}): Promise<readonly string[]> {
    const folder = objectNames.descriptions(this.serviceId);
    const versions: string[] = [];
    for await (const { key } of this.store.list(folder, options)) versions.push(key.slice(folder.length));
    return versions.sort();
  }

  /** @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED */
  async description(version: string, options: CallOptions = {}): Promise<ServiceDescription> {
    const name = objectNames.description(this.serviceId, version);
    const description = decodeDescription(await this.#getSealed("description", name, options), name);
    if (description.serviceId !== this.serviceId) throw misplaced(name);
    return description;
  }

  /**
   * Opens a sealed object of any kind, to see whether it is sound. Others are not looked at.
   * @param sealed its bytes, wherever they come from
   * @throws {BtarError} OBJECT_DAMAGED, KEY_UNAVAILABLE
   */
  async checkSealed(key: string, sealed: Buffer): Promise<void> {
    const role = sealedRole(this.serviceId, key);
    if (role) await openObject({ role, name: key, keys: this.keys, sealed });
  }

  async #putSealed(role: ObjectRole, name: string, plain: Uint8Array, options: CallOptions): Promise<number> {
    const sealed = await sealObject({
      role,
      name,
      key: this.keys.current,
      plain,
      compressionLevel: this.#compressionLevel,
    });
    const sealedBytes = sealed.reduce((sum, part) => sum + part.length, 0);
    const outcome = await this.store.put(name, sealed, options);
    for (const part of sealed) releaseMemory(part);
    return outcome === "stored" ? sealedBytes : 0;
  }

  async #getSealed(role: ObjectRole, name: string, options: CallOptions): Promise<Buffer> {
    const sealed = await this.store.get(name, options);
    if (!sealed) throw missingObject(name, this.store);
    return await openObject({ role, name, keys: this.keys, sealed });
  }
}

/** As `Repository.logPieces`, for whoever has no key. */
export async function* listLogPieces(
  store: ObjectStore,
  request: CallOptions & {
    readonly serviceId: string;
    readonly stream: string;
    readonly from?: string | undefined;
    readonly to?: string | undefined;
  },
): AsyncGenerator<LogPiece> {
  const { serviceId, stream, from, to, signal } = request;
  const prefix = objectNames.logStream(serviceId, stream);
  const after = from === undefined ? {} : { after: objectNames.logFrom(serviceId, stream, earliestStart(from)) };
  for await (const object of store.list(prefix, { signal, ...after })) {
    const named = parseLogPieceName(object.key.slice(prefix.length));
    if (!named || (from !== undefined && named.end <= from)) continue;
    if (to !== undefined && named.start >= to) return;
    yield { stream, ...named, sizeBytes: object.sizeBytes, storedAt: object.storedAt };
  }
}

export interface RepositoryOptions {
  readonly store: ObjectStore;
  readonly serviceId: string;
  /** 32 bytes; unwraps the service's data key. */
  readonly masterKey: Uint8Array;
  /** zstd level of what is written. */
  readonly compressionLevel: number;
}

/** The error for an object that something names, and that is not there. */
export function missingObject(name: string, store: ObjectStore): BtarError {
  return new BtarError("OBJECT_MISSING", {
    message: `${name} is missing in ${store.url}`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: name, store: store.url },
  });
}

function misplaced(name: string): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${name} belongs to another backup or service`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: name },
  });
}

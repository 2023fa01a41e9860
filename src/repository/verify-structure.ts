import { microsToDate } from "../domain/recovery-target-time.ts";
import { type Finding, findingOf, isUnsound } from "./finding.ts";
import { logRuns, type LogSpan } from "./log-cover.ts";
import { type LogPiece, newestCommitOf } from "./log-piece.ts";
import type { BackupManifest } from "./manifest.ts";
import { isObjectName, objectNames } from "./object-names.ts";
import type { Repository } from "./repository.ts";
import { RestoreReader } from "./restore-reader.ts";

/** A pack, and who needs it. */
export interface VerifiedPack {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly backups: readonly string[];
}

export interface StructureRequest {
  readonly repository: Repository;
  /** Base backups that are there for certain. */
  readonly known: ReadonlySet<string>;
  /** Log that is there for certain. */
  readonly log: readonly (LogSpan & { readonly stream: string })[];
  readonly onProgress: (objects: number) => void;
  readonly signal: AbortSignal;
}

export interface VerifiedStructure {
  readonly findings: readonly Finding[];
  /** What base backups need, in order of the names. */
  readonly packs: readonly VerifiedPack[];
  /** Objects that were looked at. */
  readonly objects: number;
  /** Bytes of all packs and of all log that are there. */
  readonly packBytes: number;
  readonly logBytes: number;
}

interface LogHole extends LogSpan {
  readonly after: bigint | undefined;
}

interface MutablePack {
  readonly sizeBytes: number;
  readonly backups: string[];
  isThere: boolean;
}

/**
 * Checks that everything is there which base backups and log need, with the right size, and that what names other
 * things opens and makes sense: manifests, file maps, descriptions. Contents are read by `DataVerification`.
 */
export async function verifyStructure(request: StructureRequest): Promise<VerifiedStructure> {
  return await new StructureVerification(request).run();
}

class StructureVerification {
  readonly #request: StructureRequest;
  readonly #findings = new Map<string, Finding>();
  readonly #packs = new Map<string, MutablePack>();
  /** Versions of the description, and the base backups that name them. */
  readonly #descriptions = new Map<string, string[]>();
  readonly #openedGroups = new Set<string>();
  #objects = 0;
  #packBytes = 0;
  #logBytes = 0;

  constructor(request: StructureRequest) {
    this.#request = request;
  }

  async run(): Promise<VerifiedStructure> {
    const { repository, known, signal } = this.#request;
    const ids = new Set([...(await repository.backupIds({ signal })), ...known]);
    for (const id of [...ids].sort()) await this.#verifyBackup(id);
    await this.#lookAtObjects();
    for (const [version, backups] of this.#descriptions) await this.#verifyDescription(version, backups);
    for (const span of this.#request.log) await this.#verifyLog(span);
    const packs = [...this.#packs]
      .map(([sha256, { sizeBytes, backups }]) => ({ sha256, sizeBytes, backups }))
      .sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
    const [packBytes, logBytes] = [this.#packBytes, this.#logBytes];
    return { findings: [...this.#findings.values()], packs, objects: this.#objects, packBytes, logBytes };
  }

  async #verifyBackup(id: string): Promise<void> {
    const { repository, known, signal } = this.#request;
    const key = objectNames.manifest(repository.serviceId, id);
    const manifest = await this.#read(key, [id], () => repository.manifest(id, { signal }), {
      mayBeGone: !known.has(id),
    });
    if (!manifest) return;
    for (const { sha256, sizeBytes } of manifest.packs) {
      const pack = this.#packs.get(sha256) ?? { sizeBytes, backups: [], isThere: false };
      pack.backups.push(id);
      this.#packs.set(sha256, pack);
    }
    this.#descriptions.set(manifest.descriptionVersion, [
      ...(this.#descriptions.get(manifest.descriptionVersion) ?? []),
      id,
    ]);
    await this.#verifyGroups(id, manifest);
  }

  /** Backups mostly name the same groups: each is opened once. */
  async #verifyGroups(id: string, manifest: BackupManifest): Promise<void> {
    const { repository, signal } = this.#request;
    const reader = new RestoreReader(repository, manifest, signal);
    for (const [number, { pack, offset }] of manifest.groups.entries()) {
      const sha256 = manifest.packs[pack]?.sha256 ?? "";
      const place = `${sha256} ${offset}`;
      if (this.#openedGroups.has(place)) continue;
      const key = objectNames.pack(repository.serviceId, sha256);
      if (await this.#read(key, this.#packs.get(sha256)?.backups ?? [id], () => reader.group(number)))
        this.#openedGroups.add(place);
    }
  }

  /** Packs must be there, and nothing that is not btar's. */
  async #lookAtObjects(): Promise<void> {
    const { repository, signal } = this.#request;
    const { store, serviceId } = repository;
    for await (const { key, sizeBytes } of store.list(objectNames.service(serviceId), { signal })) {
      this.#count();
      if (!isObjectName(serviceId, key)) {
        this.#add({ key, kind: "stray", what: "btar did not put it there", backups: [] });
        continue;
      }
      if (key.startsWith(objectNames.log(serviceId))) this.#logBytes += sizeBytes;
      if (!key.startsWith(objectNames.packs(serviceId))) continue;
      this.#packBytes += sizeBytes;
      const pack = this.#packs.get(key.slice(key.lastIndexOf("/") + 1));
      if (!pack) continue;
      pack.isThere = true;
      this.#compareSize(key, sizeBytes, pack);
    }
    for (const [sha256, pack] of this.#packs) {
      if (pack.isThere) continue;
      const key = objectNames.pack(serviceId, sha256);
      const object = await store.head(key, { signal }); // a listing may be an old one
      if (object) this.#compareSize(key, object.sizeBytes, pack);
      else this.#add({ key, kind: "missing", what: "it is not in the store", backups: pack.backups });
    }
  }

  #compareSize(key: string, sizeBytes: number, pack: MutablePack): void {
    if (sizeBytes === pack.sizeBytes) return;
    const what = `it has ${sizeBytes} bytes instead of ${pack.sizeBytes}`;
    this.#add({ key, kind: "damaged", what, backups: pack.backups });
  }

  async #verifyDescription(version: string, backups: readonly string[]): Promise<void> {
    const { repository, signal } = this.#request;
    const key = objectNames.description(repository.serviceId, version);
    await this.#read(key, backups, () => repository.description(version, { signal }));
  }

  /** Compares the pieces that are listed with what is known to be there. */
  async #verifyLog(expected: LogSpan & { readonly stream: string }): Promise<void> {
    const { repository, signal } = this.#request;
    const { stream } = expected;
    for (const hole of await this.#holes(expected)) {
      // Pieces may have been merged while they were listed.
      for (const left of await this.#holes({ stream, ...hole }))
        this.#missingLog(stream, left, left.after ?? hole.after);
    }
    const key = objectNames.logHistory(repository.serviceId, stream);
    await this.#read(key, [], () => repository.logHistory(stream, { signal }));
  }

  /** The parts of a span that no piece holds, and the newest commit before each. */
  async #holes(span: LogSpan & { readonly stream: string }): Promise<readonly LogHole[]> {
    const holes: LogHole[] = [];
    let reached = span.start;
    let after: bigint | undefined;
    for await (const run of logRuns(this.#pieces(span))) {
      if (run.start > reached) holes.push({ start: reached, end: minimum(run.start, span.end), after });
      if (run.end > reached) reached = run.end;
      after = newestCommitOf([{ newestCommitMicros: after }, run]);
    }
    if (reached < span.end) holes.push({ start: reached, end: span.end, after });
    return holes;
  }

  async *#pieces({ stream, start, end }: LogSpan & { readonly stream: string }): AsyncGenerator<LogPiece> {
    const { repository, signal } = this.#request;
    for await (const piece of repository.logPieces(stream, { from: start, to: end, signal })) {
      signal.throwIfAborted();
      yield piece;
    }
  }

  #missingLog(stream: string, { start, end }: LogSpan, afterMicros: bigint | undefined): void {
    const { serviceId } = this.#request.repository;
    const after = afterMicros === undefined ? undefined : microsToDate(afterMicros);
    this.#add({
      key: `${objectNames.logStream(serviceId, stream)}${start}-${end}`,
      kind: "missing",
      what: `no object holds the log from ${start} to ${end}`,
      backups: [],
      log: { stream, start, end, after },
    });
  }

  /** @returns undefined when it cannot be read, which is noted */
  async #read<T>(
    key: string,
    backups: readonly string[],
    read: () => Promise<T>,
    options: { readonly mayBeGone?: boolean } = {},
  ): Promise<T | undefined> {
    this.#count();
    try {
      return await read();
    } catch (error) {
      if (!isUnsound(error)) throw error;
      if (error.code === "OBJECT_MISSING" && options.mayBeGone) return undefined; // an old listing
      this.#add(findingOf(key, error, backups));
      return undefined;
    }
  }

  #add(finding: Finding): void {
    if (!this.#findings.has(finding.key)) this.#findings.set(finding.key, finding);
  }

  #count(): void {
    this.#request.signal.throwIfAborted();
    this.#objects += 1;
    this.#request.onProgress(this.#objects);
  }
}

function minimum(a: string, b: string): string {
  return a < b ? a : b;
}

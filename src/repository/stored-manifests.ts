import { BtarError, isBtarError } from "../domain/errors.ts";
import type { ManifestHead } from "./manifest.ts";
import type { Repository } from "./repository.ts";

/** What a base backup needs of its store besides log. */
export interface NamedByBackup {
  readonly head: ManifestHead;
  /** SHA-256 of its packs. */
  readonly packs: readonly string[];
}

/** Reads what the base backups of a store name; each manifest once, since none ever changes. */
export class StoredManifests {
  readonly #repository: Repository;
  readonly #read = new Map<string, NamedByBackup>();
  /** Backups name mostly the same packs: each name is held once. */
  readonly #names = new Map<string, string>();

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /**
   * Reads those that are listed and those that are known to be there: a listing may be an old one.
   * @param options.known backups that are there for certain
   * @param options.except backups that do not count any more
   * @throws {BtarError} OBJECT_MISSING when a known one is not there; OBJECT_DAMAGED, UNSUPPORTED_FORMAT when it is not
   *   clear what one names
   */
  async all(options: {
    readonly known: ReadonlySet<string>;
    readonly except: ReadonlySet<string>;
    readonly signal: AbortSignal;
  }): Promise<readonly NamedByBackup[]> {
    const { known, except, signal } = options;
    const listed = await this.#repository.backupIds({ signal });
    const ids = [...new Set([...listed, ...known])].filter((id) => !except.has(id)).sort();
    const found: NamedByBackup[] = [];
    for (const id of ids) {
      const named = this.#read.get(id) ?? (await this.#readOne(id, { isKnown: known.has(id), signal }));
      if (named) found.push(named);
    }
    return found;
  }

  async #readOne(
    id: string,
    options: { readonly isKnown: boolean; readonly signal: AbortSignal },
  ): Promise<NamedByBackup | undefined> {
    const { isKnown, signal } = options;
    try {
      const {
        directories: _,
        files: __,
        groups: ___,
        packs,
        ...head
      } = await this.#repository.manifest(id, { signal });
      const named = { head, packs: packs.map(({ sha256 }) => this.#nameOf(sha256)) };
      this.#read.set(id, named);
      return named;
    } catch (error) {
      if (!isBtarError(error) || error.kind !== "damaged") throw error;
      if (error.code === "OBJECT_MISSING" && !isKnown) return undefined; // an old listing
      throw new BtarError(error.code, {
        message: `it is not known what base backup ${id} needs: ${error.message}`,
        hint: "nothing was removed; delete that backup with `btar backup delete`, or mend the store",
        details: error.details,
        cause: error,
      });
    }
  }

  #nameOf(sha256: string): string {
    const known = this.#names.get(sha256);
    if (known !== undefined) return known;
    this.#names.set(sha256, sha256);
    return sha256;
  }
}

/** What is kept of groups, fingerprints and deltas that were read; each is a few MiB at most. */
const keptBlobs = 24;

/** Keeps the blobs that were read last. */
export class BlobCache {
  readonly #kept = new Map<string, Promise<unknown>>();

  /** Reads what is not kept, and forgets what was asked for the longest ago. */
  async read<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = this.#kept.get(name) as Promise<T> | undefined;
    const value = known ?? read();
    this.#kept.delete(name);
    this.#kept.set(name, value);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptBlobs) break;
      this.#kept.delete(oldest);
    }
    return await value;
  }
}

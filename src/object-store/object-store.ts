/** One listed object. */
export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** When the store says that it was written. */
  readonly storedAt: Date;
}

/** A part of an object: `lengthBytes` bytes from `offset`. */
export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface StoreCallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface PutOptions extends StoreCallOptions {
  /** Hex SHA-256 of the body, if the caller knows it. */
  readonly sha256?: string;
  /** An object that exists is replaced at once: readers see the one or the other, and never none. */
  readonly isReplacing?: boolean;
}

/**
 * A place for immutable objects, whole or not there at all.
 *
 * Keys are relative, `/`-separated, each segment `[A-Za-z0-9._-]+` and neither `.` nor `..`; at most 512 bytes.
 * Objects are at most 512 MiB, so they travel as buffers. Every implementation passes
 * `test/conformance/object-store.ts`.
 *
 * Every method throws BtarError: STORE_UNREACHABLE (no answer, time-outs, 5xx, a store whose root or bucket is
 * gone), STORE_FULL (no room, quota), STORE_REFUSED (credentials, permissions), INVALID_INPUT (a key that is none),
 * CANCELLED when `signal` fires.
 */
export interface ObjectStore {
  /** Its URL without secrets, for people: `file:/var/lib/btar/store`, `s3://bucket/prefix?endpoint=…`. */
  readonly url: string;

  /**
   * Finds out whether the store can be used: reachable, credentials good.
   * @param options.create makes the place if it does not exist yet (a directory; never a bucket). Without it, a
   *   missing place is STORE_UNREACHABLE: a store that vanished must not come back empty by itself.
   */
  open(options: StoreCallOptions & { readonly create: boolean }): Promise<void>;

  /**
   * Stores a whole object if there is none under the key, or in its place. When the promise is fulfilled the object is durable
   * (file and directory synced; the service's own promise for S3). A put that is cut off leaves no object.
   * @param body one buffer, or several that are joined; they must not change until the promise settles
   * @returns `stored`, or `exists` when there was an object already (which is not compared, nor changed)
   */
  put(key: string, body: Uint8Array | readonly Uint8Array[], options?: PutOptions): Promise<"stored" | "exists">;

  /**
   * @returns the object's bytes or the range's; `undefined` if there is no such object. A range that goes beyond
   *   the end returns what there is.
   */
  get(key: string, options?: StoreCallOptions & { readonly range?: ByteRange }): Promise<Buffer | undefined>;

  head(key: string, options?: StoreCallOptions): Promise<StoredObject | undefined>;

  /**
   * All objects whose key starts with `prefix`, in order of the key's bytes, from the first one after `after`.
   * Objects that come or go meanwhile may or may not be seen.
   */
  list(prefix: string, options?: StoreCallOptions & { readonly after?: string }): AsyncIterable<StoredObject>;

  /**
   * The "folders" directly below `prefix` (which ends in `/` or is empty): the next path segments, without slash,
   * in order, without reading what is below them.
   */
  listFolders(prefix: string, options?: StoreCallOptions): Promise<readonly string[]>;

  /** Removes the object; nothing happens if there is none. */
  delete(key: string, options?: StoreCallOptions): Promise<void>;

  /**
   * Copies an object from another store without the bytes passing through this process, if the two stores are of
   * one service and it can do so.
   * @returns `unsupported` when it cannot: the caller then reads and puts
   */
  copyFrom(
    source: ObjectStore,
    key: string,
    options?: StoreCallOptions,
  ): Promise<"stored" | "exists" | "missing" | "unsupported">;

  /**
   * Hex SHA-256 of what is stored now, `undefined` if there is no such object: computed by the service when it
   * can prove it, by reading the object back otherwise.
   */
  sha256(key: string, options?: StoreCallOptions): Promise<string | undefined>;

  /** Ends connections. */
  close(): Promise<void>;
}

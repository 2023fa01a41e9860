import { createHash } from "node:crypto";
import { throwIfCancelled } from "../../platform/clock.ts";
import { checkBody, checkFolder, checkKey, checkPrefix, checkRange, compareKeys } from "../key.ts";
import type { ByteRange, ObjectStore, PutOptions, StoreCallOptions, StoredObject } from "../object-store.ts";

interface HeldObject {
  readonly bytes: Buffer;
  readonly storedAt: Date;
}

/** Objects in this process's memory: for tests, and as the shortest reading of what `ObjectStore` promises. */
export class MemoryObjectStore implements ObjectStore {
  readonly url: string;
  readonly #objects = new Map<string, HeldObject>();

  constructor(name = "store") {
    this.url = `memory:${name}`;
  }

  async open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    throwIfCancelled(options.signal);
  }

  async put(
    key: string,
    body: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<"stored" | "exists"> {
    checkKey(key);
    const { buffers } = checkBody(key, body);
    throwIfCancelled(options.signal);
    if (this.#objects.has(key) && !options.isReplacing) return "exists";
    this.#objects.set(key, { bytes: Buffer.concat(buffers), storedAt: new Date() });
    return "stored";
  }

  async get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    checkRange(options.range);
    const bytes = this.#held(key, options)?.bytes;
    if (!bytes) return undefined;
    const { offset, lengthBytes } = options.range ?? { offset: 0, lengthBytes: bytes.length };
    return Buffer.from(bytes.subarray(offset, offset + lengthBytes));
  }

  async head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    const held = this.#held(key, options);
    return held && { key, sizeBytes: held.bytes.length, storedAt: held.storedAt };
  }

  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    checkPrefix(prefix);
    throwIfCancelled(options.signal);
    const { after = "" } = options;
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    for (const key of keys.sort(compareKeys)) {
      const object = await this.head(key, options);
      if (object) yield object;
    }
  }

  async listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    checkFolder(prefix);
    throwIfCancelled(options.signal);
    const folders = new Set<string>();
    for (const key of this.#objects.keys()) {
      const slash = key.indexOf("/", prefix.length);
      if (key.startsWith(prefix) && slash !== -1) folders.add(key.slice(prefix.length, slash));
    }
    return [...folders].sort(compareKeys);
  }

  async delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    if (this.#held(key, options)) this.#objects.delete(key);
  }

  async copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    if (!(source instanceof MemoryObjectStore)) return "unsupported";
    const bytes = await source.get(key, options);
    return bytes ? await this.put(key, bytes, options) : "missing";
  }

  async sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    const bytes = this.#held(key, options)?.bytes;
    return bytes && createHash("sha256").update(bytes).digest("hex");
  }

  async close(): Promise<void> {
    // There is nothing to end.
  }

  #held(key: string, { signal }: StoreCallOptions): HeldObject | undefined {
    checkKey(key);
    throwIfCancelled(signal);
    return this.#objects.get(key);
  }
}

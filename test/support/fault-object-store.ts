import assert from "node:assert/strict";
import { BtarError, type ErrorCode } from "../../src/domain/errors.ts";
import { cancelled } from "../../src/platform/clock.ts";
import type {
  ByteRange,
  ObjectStore,
  PutOptions,
  StoreCallOptions,
  StoredObject,
} from "../../src/object-store/object-store.ts";

export type StoreOperation = Exclude<keyof ObjectStore, "url" | "close">;

interface Fault {
  readonly operations: readonly StoreOperation[] | undefined;
  /** Calls that still go well. */
  callsLeft: number;
  readonly strike: (operation: StoreOperation, key: string, signal: AbortSignal | undefined) => Promise<void>;
}

export interface FaultOptions {
  /** How many calls (of `operations`, if given) go well before; 0 when undefined. */
  readonly afterCalls?: number;
  /** Which calls fail; all when undefined. */
  readonly operations?: readonly StoreOperation[];
}

/** A store whose troubles a test chooses. Damage to objects is done in the store below, which may be of any kind. */
export class FaultObjectStore implements ObjectStore {
  readonly url: string;
  readonly store: ObjectStore;
  readonly #calls: { readonly operation: StoreOperation; readonly key: string }[] = [];
  #fault: Fault | undefined;
  #heal: () => void = () => undefined;
  /** What listings tell of, whatever is there by now. */
  #listed: readonly StoredObject[] | undefined;

  constructor(store: ObjectStore) {
    this.store = store;
    this.url = store.url;
  }

  /** Calls fail from now on, or from the call after `afterCalls`, until `heal`. */
  failWith(code: ErrorCode, options: FaultOptions = {}): void {
    this.#strike(options, async (operation, key) => {
      throw new BtarError(code, { message: `${this.url} fails on purpose: ${operation} ${key}` });
    });
  }

  /** Calls do not come back until `heal` or their signal. */
  stall(options: FaultOptions = {}): void {
    const { promise: healed, resolve } = Promise.withResolvers<void>();
    this.#strike(options, async (_operation, _key, signal) => {
      if (signal?.aborted) throw cancelled(signal.reason);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const abort = () => reject(cancelled(signal?.reason));
      signal?.addEventListener("abort", abort, { once: true });
      await Promise.race([healed, aborted]).finally(() => signal?.removeEventListener("abort", abort));
    });
    this.#heal = resolve;
  }

  /** Before each call (after the first `afterCalls`), `work` is done: to stop something at a chosen step. */
  interrupt(work: (operation: StoreOperation, key: string) => Promise<void>, options: FaultOptions = {}): void {
    this.#strike(options, work);
  }

  /** Listings stay as they are now until `heal`, whatever comes and goes. */
  async staleListings(): Promise<void> {
    const listed: StoredObject[] = [];
    for await (const object of this.store.list("")) listed.push(object);
    this.#listed = listed;
  }

  /** All calls go through again, those that stalled too. */
  heal(): void {
    this.#fault = undefined;
    this.#listed = undefined;
    this.#heal();
    this.#heal = () => undefined;
  }

  /** How many calls were made so far, of one operation or of all; those that failed count. */
  calls(operation?: StoreOperation): number {
    return this.#calls.filter((call) => operation === undefined || call.operation === operation).length;
  }

  /** Keys of the calls of an operation so far, in order; prefixes where it takes one. */
  keysOf(operation: StoreOperation): readonly string[] {
    return this.#calls.filter((call) => call.operation === operation).map(({ key }) => key);
  }

  /** @param at offset of the byte; negative: from the end; the middle when undefined */
  async flipByte(key: string, at?: number): Promise<void> {
    const bytes = await this.#bytes(key);
    const offset = at ?? Math.floor(bytes.length / 2);
    const index = offset < 0 ? bytes.length + offset : offset;
    bytes.writeUInt8(bytes.readUInt8(index) ^ 0x01, index);
    await this.#replace(key, bytes);
  }

  /** @param lengthBytes what is left; half when undefined */
  async cutShort(key: string, lengthBytes?: number): Promise<void> {
    const bytes = await this.#bytes(key);
    await this.#replace(key, bytes.subarray(0, lengthBytes ?? Math.floor(bytes.length / 2)));
  }

  async swap(one: string, other: string): Promise<void> {
    const [bytes, others] = [await this.#bytes(one), await this.#bytes(other)];
    await this.#replace(one, others);
    await this.#replace(other, bytes);
  }

  async remove(key: string): Promise<void> {
    await this.#bytes(key);
    await this.store.delete(key);
  }

  /** All keys, in order. */
  async keys(prefix = ""): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const { key } of this.store.list(prefix)) keys.push(key);
    return keys;
  }

  async open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    await this.#enter("open", "", options);
    await this.store.open(options);
  }

  async put(
    key: string,
    body: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<"stored" | "exists"> {
    await this.#enter("put", key, options);
    return await this.store.put(key, body, options);
  }

  async get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    await this.#enter("get", key, options);
    return await this.store.get(key, options);
  }

  async head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    await this.#enter("head", key, options);
    return await this.store.head(key, options);
  }

  /** One call of `list` at the start, and one more before each object. */
  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    await this.#enter("list", prefix, options);
    const { after = "" } = options;
    const listed = this.#listed?.filter(({ key }) => key.startsWith(prefix) && key > after);
    for await (const object of listed ?? this.store.list(prefix, options)) {
      await this.#enter("list", prefix, options);
      yield object;
    }
  }

  async listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    await this.#enter("listFolders", prefix, options);
    if (!this.#listed) return await this.store.listFolders(prefix, options);
    const below = this.#listed.filter(({ key }) => key.startsWith(prefix)).map(({ key }) => key.slice(prefix.length));
    const folders = below.filter((rest) => rest.includes("/")).map((rest) => rest.slice(0, rest.indexOf("/")));
    return [...new Set(folders)].sort();
  }

  async delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    await this.#enter("delete", key, options);
    await this.store.delete(key, options);
  }

  async copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    await this.#enter("copyFrom", key, options);
    if (!(source instanceof FaultObjectStore)) return await this.store.copyFrom(source, key, options);
    // What reads here, though without bytes passing by, is the source: its troubles count.
    await source.#enter("copyFrom", key, options);
    return await this.store.copyFrom(source.store, key, options);
  }

  async sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    await this.#enter("sha256", key, options);
    return await this.store.sha256(key, options);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  #strike(options: FaultOptions, strike: Fault["strike"]): void {
    this.#fault = { operations: options.operations, callsLeft: options.afterCalls ?? 0, strike };
  }

  async #enter(operation: StoreOperation, key: string, { signal }: StoreCallOptions): Promise<void> {
    this.#calls.push({ operation, key });
    const fault = this.#fault;
    if (!fault || (fault.operations && !fault.operations.includes(operation))) return;
    fault.callsLeft -= 1;
    if (fault.callsLeft < 0) await fault.strike(operation, key, signal);
  }

  async #bytes(key: string): Promise<Buffer> {
    const bytes = await this.store.get(key);
    assert.ok(bytes, `${this.url} has no object ${key} to damage`);
    return bytes;
  }

  async #replace(key: string, bytes: Uint8Array): Promise<void> {
    await this.store.delete(key);
    assert.equal(await this.store.put(key, bytes), "stored");
  }
}

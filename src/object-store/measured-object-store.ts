import { type OperationFigures, operationBounds } from "../domain/agent-figures.ts";
import { isBtarError } from "../domain/errors.ts";
import type { ByteRange, ObjectStore, PutOptions, StoreCallOptions, StoredObject } from "./object-store.ts";

interface Counted {
  count: number;
  seconds: number;
  failures: number;
  readonly within: number[];
}

/** Counts the calls of a store, and measures how long it takes to answer. A call that was cancelled says nothing of it. */
export class MeasuredObjectStore implements ObjectStore {
  readonly url: string;
  readonly #store: ObjectStore;
  readonly #operations = new Map<string, Counted>();

  constructor(store: ObjectStore) {
    this.url = store.url;
    this.#store = store;
  }

  /** What was measured so far, by operation. */
  get figures(): Readonly<Record<string, OperationFigures>> {
    return Object.fromEntries(
      [...this.#operations].map(([operation, counted]) => [operation, { ...counted, within: [...counted.within] }]),
    );
  }

  open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    return this.#measured("open", () => this.#store.open(options));
  }

  put(key: string, body: Uint8Array | readonly Uint8Array[], options: PutOptions = {}): Promise<"stored" | "exists"> {
    return this.#measured("put", () => this.#store.put(key, body, options));
  }

  get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    return this.#measured("get", () => this.#store.get(key, options));
  }

  head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    return this.#measured("head", () => this.#store.head(key, options));
  }

  /** Measured is how long the store takes for it, not who reads the list. */
  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    let beganAt = performance.now();
    let seconds = 0;
    try {
      for await (const object of this.#store.list(prefix, options)) {
        seconds += (performance.now() - beganAt) / 1000;
        yield object;
        beganAt = performance.now();
      }
    } catch (error) {
      this.#count("list", seconds + (performance.now() - beganAt) / 1000, error);
      throw error;
    }
    this.#count("list", seconds + (performance.now() - beganAt) / 1000);
  }

  listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    return this.#measured("list", () => this.#store.listFolders(prefix, options));
  }

  delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    return this.#measured("delete", () => this.#store.delete(key, options));
  }

  copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    // Stores know their own kind only.
    const wrapped = source instanceof MeasuredObjectStore ? source.#store : source;
    return this.#measured("copy", () => this.#store.copyFrom(wrapped, key, options));
  }

  sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    return this.#measured("sha256", () => this.#store.sha256(key, options));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #measured<T>(operation: string, call: () => Promise<T>): Promise<T> {
    const beganAt = performance.now();
    try {
      const result = await call();
      this.#count(operation, (performance.now() - beganAt) / 1000);
      return result;
    } catch (error) {
      this.#count(operation, (performance.now() - beganAt) / 1000, error);
      throw error;
    }
  }

  #count(operation: string, seconds: number, error?: unknown): void {
    if (isBtarError(error, "CANCELLED")) return;
    const counted = this.#operations.get(operation) ?? {
      ...{ count: 0, seconds: 0, failures: 0, within: operationBounds.map(() => 0) },
    };
    this.#operations.set(operation, counted);
    counted.count += 1;
    counted.seconds += seconds;
    if (error !== undefined) counted.failures += 1;
    for (const [index, bound] of operationBounds.entries()) {
      if (seconds <= bound) counted.within[index] = (counted.within[index] ?? 0) + 1;
    }
  }
}

import { describeError, isBtarError } from "../domain/errors.ts";
import { type Backoff, backoffDelayMs } from "../platform/backoff.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { ByteRange, ObjectStore, PutOptions, StoreCallOptions, StoredObject } from "./object-store.ts";

/** A wait for a store that cannot be used at the moment. */
export interface StoreWait {
  /** What the store, or the system, says. */
  readonly reason: string;
  /** Failures in a row so far, 1 and up. */
  readonly attempt: number;
  readonly nextTryAt: Date;
}

export interface RetryingOptions {
  readonly onWaiting?: ((wait: StoreWait) => void) | undefined;
  /** The store has answered again, after at least one wait. */
  readonly onRecovered?: (() => void) | undefined;
  /** A call that has had no success for this long fails with the last error; undefined: never. */
  readonly maxWaitMs?: number | undefined;
  /** Default: 0.5 s to 30 s. */
  readonly backoff?: Backoff | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * A store that is patient: when the one below is unreachable, full or refuses, it tries again with longer and longer
 * waits, until that succeeds or the call's signal fires. A list goes on after the last object that it delivered.
 */
export class RetryingObjectStore implements ObjectStore {
  readonly url: string;
  readonly #store: ObjectStore;
  readonly #options: RetryingOptions;
  readonly #backoff: Backoff;
  readonly #clock: Clock;

  constructor(store: ObjectStore, options: RetryingOptions = {}) {
    this.url = store.url;
    this.#store = store;
    this.#options = options;
    this.#backoff = options.backoff ?? { firstMs: 500, maxMs: 30_000 };
    this.#clock = options.clock ?? systemClock;
  }

  open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    return this.#patiently(options, () => this.#store.open(options));
  }

  put(key: string, body: Uint8Array | readonly Uint8Array[], options: PutOptions = {}): Promise<"stored" | "exists"> {
    return this.#patiently(options, () => this.#store.put(key, body, options));
  }

  get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    return this.#patiently(options, () => this.#store.get(key, options));
  }

  head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    return this.#patiently(options, () => this.#store.head(key, options));
  }

  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    const patience = this.#newPatience(options);
    let position = options.after === undefined ? {} : { after: options.after };
    for (;;) {
      try {
        for await (const object of this.#store.list(prefix, { ...options, ...position })) {
          patience.succeeded();
          yield object;
          position = { after: object.key };
        }
        patience.succeeded();
        return;
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    return this.#patiently(options, () => this.#store.listFolders(prefix, options));
  }

  delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    return this.#patiently(options, () => this.#store.delete(key, options));
  }

  copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    // Stores know their own kind only.
    const wrapped = source instanceof RetryingObjectStore ? source.#store : source;
    return this.#patiently(options, () => this.#store.copyFrom(wrapped, key, options));
  }

  sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    return this.#patiently(options, () => this.#store.sha256(key, options));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #patiently<T>(options: StoreCallOptions, call: () => Promise<T>): Promise<T> {
    const patience = this.#newPatience(options);
    for (;;) {
      try {
        const result = await call();
        patience.succeeded();
        return result;
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  #newPatience({ signal }: StoreCallOptions): Patience {
    return new Patience(this.#options, { backoff: this.#backoff, clock: this.#clock, signal });
  }
}

/** The waits of one call, from its first failure to its success. */
class Patience {
  readonly #options: RetryingOptions;
  readonly #means: { readonly backoff: Backoff; readonly clock: Clock; readonly signal: AbortSignal | undefined };
  #failures = 0;
  #givesUpAtMs = Number.POSITIVE_INFINITY;

  constructor(
    options: RetryingOptions,
    means: { readonly backoff: Backoff; readonly clock: Clock; readonly signal: AbortSignal | undefined },
  ) {
    this.#options = options;
    this.#means = means;
  }

  /** Waits until the call is to be tried again, or throws its error if it is not to be. */
  async wait(error: unknown): Promise<void> {
    if (!isBtarError(error, "STORE_UNREACHABLE", "STORE_FULL", "STORE_REFUSED")) throw error;
    const { backoff, clock, signal } = this.#means;
    const nowMs = clock.now().getTime();
    this.#failures += 1;
    if (this.#failures === 1) this.#givesUpAtMs = nowMs + (this.#options.maxWaitMs ?? Number.POSITIVE_INFINITY);
    const leftMs = this.#givesUpAtMs - nowMs;
    if (leftMs <= 0) throw error;
    const waitMs = Math.min(backoffDelayMs(this.#failures, backoff, Math.random()), leftMs);
    const nextTryAt = new Date(nowMs + waitMs);
    this.#options.onWaiting?.({ reason: describeError(error), attempt: this.#failures, nextTryAt });
    await clock.sleep(waitMs, signal);
  }

  succeeded(): void {
    if (this.#failures > 0) this.#options.onRecovered?.();
    this.#failures = 0;
  }
}

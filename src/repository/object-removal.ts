import { describeError, isBtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { BoundedTasks } from "./bounded-tasks.ts";

const removedAtOnce = 16;

/** What was removed, and what the store refused to. */
export interface RemovalCounts {
  readonly removedObjects: number;
  readonly removedBytes: number;
  readonly refusedObjects: number;
  /** What the store said to the first refusal. */
  readonly refusal: string | undefined;
}

/** Removes objects of a store, several at once. A store may refuse some (object lock): they are counted, and stay. */
export class ObjectRemoval {
  readonly #store: ObjectStore;
  readonly #signal: AbortSignal;
  readonly #mayGoOn: () => void;
  readonly #onProgress: (counts: RemovalCounts) => void;
  readonly #onRemoved: (object: { readonly key: string; readonly sizeBytes: number }) => void;
  #removedObjects = 0;
  #removedBytes = 0;
  #refusedObjects = 0;
  #refusal: string | undefined;

  /**
   * @param options.store answers a refusal at once, without trying again
   * @param options.mayGoOn asked right before each object is removed; throws when it must not be any more
   */
  constructor(options: {
    readonly store: ObjectStore;
    readonly signal: AbortSignal;
    readonly mayGoOn?: () => void;
    readonly onProgress?: (counts: RemovalCounts) => void;
    readonly onRemoved?: (object: { readonly key: string; readonly sizeBytes: number }) => void;
  }) {
    this.#store = options.store;
    this.#signal = options.signal;
    this.#mayGoOn = options.mayGoOn ?? (() => undefined);
    this.#onProgress = options.onProgress ?? (() => undefined);
    this.#onRemoved = options.onRemoved ?? (() => undefined);
  }

  get counts(): RemovalCounts {
    return {
      removedObjects: this.#removedObjects,
      removedBytes: this.#removedBytes,
      refusedObjects: this.#refusedObjects,
      refusal: this.#refusal,
    };
  }

  /** @returns whether it is gone; what was gone before counts as well */
  async removeOne(object: { readonly key: string; readonly sizeBytes: number }): Promise<boolean> {
    this.#mayGoOn();
    try {
      await this.#store.delete(object.key, { signal: this.#signal });
    } catch (error) {
      if (!isBtarError(error, "STORE_REFUSED")) throw error;
      this.#refusedObjects += 1;
      this.#refusal ??= describeError(error);
      return false;
    }
    this.#removedObjects += 1;
    this.#removedBytes += object.sizeBytes;
    this.#onProgress(this.counts);
    this.#onRemoved(object);
    return true;
  }

  /** @returns how many were seen */
  async removeAll(
    objects:
      | AsyncIterable<{ readonly key: string; readonly sizeBytes: number }>
      | Iterable<{ readonly key: string; readonly sizeBytes: number }>,
  ): Promise<number> {
    const removals = new BoundedTasks(removedAtOnce);
    let count = 0;
    try {
      for await (const object of objects) {
        count += 1;
        await removals.add(async () => {
          await this.removeOne(object);
        });
      }
    } finally {
      await removals.settle();
    }
    await removals.finish();
    return count;
  }
}

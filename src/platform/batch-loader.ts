interface Waiting<Key, Value> {
  readonly key: Key;
  readonly resolve: (value: Value) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Answers questions of one kind together: those that are asked while an answer is under way are the next one's. So
 * many clients at once cost little more than one, and nobody is told what was read before it asked.
 */
export class BatchLoader<Key, Value> {
  readonly #load: (keys: readonly Key[]) => Promise<readonly Value[]>;
  readonly #maxAtOnce: number;
  #waiting: Waiting<Key, Value>[] = [];
  #isRunning = false;

  /** @param load gives the values in the order of the keys */
  constructor(
    load: (keys: readonly Key[]) => Promise<readonly Value[]>,
    { maxAtOnce = 100 }: { readonly maxAtOnce?: number } = {},
  ) {
    this.#load = load;
    this.#maxAtOnce = maxAtOnce;
  }

  async load(key: Key): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    this.#waiting.push({ key, resolve, reject });
    if (!this.#isRunning) {
      this.#isRunning = true;
      setImmediate(() => void this.#run()); // after all requests that have arrived by now
    }
    return await promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const together = this.#waiting.splice(0, this.#maxAtOnce);
      try {
        const values = await this.#load(together.map(({ key }) => key));
        if (values.length !== together.length)
          throw new Error(`${values.length} answers to ${together.length} questions`);
        for (const [at, value] of values.entries()) together[at]?.resolve(value);
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    this.#isRunning = false;
  }
}

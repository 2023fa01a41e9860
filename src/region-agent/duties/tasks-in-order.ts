/** Says whether one more task may begin beside those that run already, and takes back what it gave. */
export interface TaskRoom {
  tryTake(): boolean;
  giveBack(): void;
}

/** Room that several rows of tasks share. */
export class SharedRoom implements TaskRoom {
  #left: number;

  constructor(places: number) {
    this.#left = places;
  }

  tryTake(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  giveBack(): void {
    this.#left += 1;
  }
}

interface Task<T> {
  readonly tookRoom: boolean;
  /** Settles with the task, whatever comes of it. */
  readonly ended: Promise<void>;
  result: { readonly value: T } | undefined;
}

/**
 * Runs tasks, several at once, and delivers their results in the order in which they were added: those that are ready
 * together at once, one delivery after the other. One task may always run; more of them as far as there is room.
 */
export class TasksInOrder<T> {
  readonly #room: TaskRoom;
  readonly #deliver: (results: readonly T[]) => Promise<void>;
  readonly #tasks: Task<T>[] = [];
  #isDelivering = false;
  #failure: { readonly error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(options: { readonly room: TaskRoom; readonly deliver: (results: readonly T[]) => Promise<void> }) {
    this.#room = options.room;
    this.#deliver = options.deliver;
  }

  /** Whether everything that was added has been delivered. */
  get isIdle(): boolean {
    return this.#tasks.length === 0;
  }

  /** Returns once the task has begun. @throws what an earlier task or delivery failed with */
  async add(run: () => Promise<T>): Promise<void> {
    let tookRoom = false;
    for (;;) {
      this.check();
      if (this.#tasks.length === 0) break;
      tookRoom = this.#room.tryTake();
      if (tookRoom) break;
      await this.#changed.promise;
    }
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const task: Task<T> = { tookRoom, ended, result: undefined };
    this.#tasks.push(task);
    run()
      .then(
        (value) => {
          task.result = { value };
          return this.#deliverReady();
        },
        (error: unknown) => this.#fail(error),
      )
      .finally(resolve);
  }

  /** @throws what a task or delivery failed with */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Waits until everything is delivered. @throws what a task or delivery failed with */
  async finish(): Promise<void> {
    while (!this.isIdle) {
      this.check();
      await this.#changed.promise;
    }
    this.check();
  }

  /** Waits until nothing runs any more, whatever came of it. Nothing may be added afterwards. */
  async close(): Promise<void> {
    await Promise.all(this.#tasks.map(({ ended }) => ended));
    this.#remove(this.#tasks.length);
  }

  async #deliverReady(): Promise<void> {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (let ready = this.#takeReady(); ready.length > 0; ready = this.#takeReady()) {
        await this.#deliver(ready.map(({ value }) => value));
        this.#remove(ready.length);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isDelivering = false;
    }
  }

  #takeReady(): readonly { readonly value: T }[] {
    if (this.#failure) return [];
    const ready: { readonly value: T }[] = [];
    for (const { result } of this.#tasks) {
      if (!result) break;
      ready.push(result);
    }
    return ready;
  }

  #remove(count: number): void {
    for (const { tookRoom } of this.#tasks.splice(0, count)) if (tookRoom) this.#room.giveBack();
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #wake(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
  }
}

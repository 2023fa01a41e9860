/** Lets one piece of work at a time go on for a service in this agent. */
export class ServiceLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` once all earlier work on the service has ended. */
  async run<T>(serviceId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(serviceId) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(serviceId, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(serviceId) === settled) this.#last.delete(serviceId);
    }
  }

  /** Whether some work goes on. */
  isBusy(serviceId: string): boolean {
    return this.#last.has(serviceId);
  }
}

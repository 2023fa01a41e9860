const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C may arrive several times: from the terminal, and from npm or the launcher, which pass it on. */
const echoMs = 1000;

/** Notices the wish to stop: the first one is for a clean end, a later one for ending at once. */
export class StopSignals {
  /** Fires at the first wish. */
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #onSignal: () => void;
  #askedAt: number | undefined;

  constructor(endAtOnce: () => void) {
    this.signal = this.#stop.signal;
    this.#onSignal = () => {
      if (this.#askedAt !== undefined) {
        if (Date.now() - this.#askedAt > echoMs) endAtOnce();
        return;
      }
      this.#askedAt = Date.now();
      this.#stop.abort();
    };
    for (const name of names) process.on(name, this.#onSignal);
  }

  /** Waits for the first wish. */
  async asked(): Promise<void> {
    if (this.signal.aborted) return;
    await new Promise((resolve) => this.signal.addEventListener("abort", resolve, { once: true }));
  }

  dispose(): void {
    for (const name of names) process.removeListener(name, this.#onSignal);
  }
}

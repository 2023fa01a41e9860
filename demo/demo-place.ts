import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { freePorts } from "../test/support/free-ports.ts";
import { RunningBtar } from "../test/support/running-btar.ts";

/** The demonstration's own directory, and the btar that runs in it. */
export class DemoPlace {
  readonly #directory: string;
  readonly #giveUp = new AbortController();
  #starting: Promise<RunningBtar> | undefined;
  #server: RunningBtar | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async startBtar(): Promise<RunningBtar> {
    const [port] = await freePorts(1);
    const [firstServicePort] = await freePorts(100);
    this.#starting = RunningBtar.start({
      directory: this.#directory,
      port,
      token: `demo${randomBytes(24).toString("hex")}`,
      firstServicePort,
      isDetached: true,
      signal: this.#giveUp.signal,
    });
    this.#server = await this.#starting;
    return this.#server;
  }

  /**
   * Lets everything run on after this process.
   * @returns how to look at it and how to end it, for people
   */
  leave(): string {
    const server = this.#server;
    if (!server) return `\nbtar does not run. Its files are in ${this.#directory}`;
    server.detach();
    return (
      `\nEverything is left running. To look at it:\n  export BTAR_URL=${server.url} BTAR_TOKEN=${server.token}\n` +
      `  npx btar status\nTo end it: kill -INT ${server.pid}; its files are in ${server.directory}`
    );
  }

  /** Stops btar with all its servers, also one that is starting, and removes the directory. */
  async cleanUp(): Promise<void> {
    if (!this.#server) this.#giveUp.abort();
    const server = await this.#starting?.catch(() => undefined); // whoever started it was told why it failed
    await server?.stop();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

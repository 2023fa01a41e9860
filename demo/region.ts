import { glob, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { type ApiClient, eventually } from "../test/support/api-client.ts";
import type { RunningBtar } from "../test/support/running-btar.ts";

export const project = "/project/demo";

interface Status {
  readonly clouds: readonly {
    readonly cloud_name: string;
    readonly is_up: boolean;
    readonly agents: readonly { readonly pid: number }[];
  }[];
}

/** A cloud of the demonstration's btar, which can be lost and come back. */
export class Region {
  readonly #cloud: string;
  readonly #api: ApiClient;
  readonly #directory: string;
  readonly #lostDirectory: string;

  constructor(cloud: string, parts: { readonly api: ApiClient; readonly server: RunningBtar }) {
    this.#cloud = cloud;
    this.#api = parts.api;
    this.#directory = parts.server.cloudDirectory(cloud);
    this.#lostDirectory = join(parts.server.directory, `lost-${cloud}`);
  }

  /**
   * No warning, no clean end: processes killed, everything of the region out of reach.
   * @param pidFiles where servers leave their process ids, in their services' directories
   */
  async lose(pidFiles: readonly string[]): Promise<void> {
    const servers: number[] = [];
    for await (const file of glob(pidFiles.map((name) => join(this.#directory, "services", "*", name)))) {
      servers.push(Number((await readFile(file, "utf8")).split("\n")[0]));
    }
    const agents = (await this.#state())?.agents ?? [];
    for (const pid of [...agents.map((agent) => agent.pid), ...servers]) killIfThere(pid);
    await rename(this.#directory, this.#lostDirectory);
  }

  /** Everything is where it was, and a new agent finds it. */
  async comeBack(): Promise<void> {
    await rename(this.#lostDirectory, this.#directory);
    await eventually(`${this.#cloud} is up`, async () => ((await this.#state())?.is_up ? true : undefined));
  }

  async #state(): Promise<Status["clouds"][number] | undefined> {
    const { clouds } = await this.#api.request<Status>("GET", `${project}/btar/status`);
    return clouds.find(({ cloud_name }) => cloud_name === this.#cloud);
  }
}

/** What an agent says of itself may be a few seconds old. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

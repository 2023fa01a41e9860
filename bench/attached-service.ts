import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../test/support/api-client.ts";
import { type MeasuredBtar, north, project, south } from "./measured-btar.ts";
import { cpuSecondsOfTree } from "./process-figures.ts";
import type { ToolRun } from "./tool-run.ts";

export interface BackupRun extends ToolRun {
  /** Bytes that it added to the repository, without log. */
  readonly storedBytes: number;
  /** Names it, for a restore. */
  readonly name: string;
  /** Bytes sent to the second region, for a tool that has one. */
  readonly crossedBytes?: number;
}

/** The database server that is attached. */
export interface AttachedServer {
  readonly pid: number;
  /** How btar reaches it. */
  readonly uri: string;
  /** Fulfilled when the server keeps nothing back for btar any more. */
  released(): Promise<void>;
}

interface BackupList {
  readonly backups: readonly { readonly backup_name: string }[];
}

/** A server that is attached to btar, with a primary location and a secondary one. */
export class AttachedService {
  readonly btar: MeasuredBtar;
  readonly #server: AttachedServer;
  #name: string | undefined;
  #count = 0;

  constructor(btar: MeasuredBtar, server: AttachedServer) {
    this.btar = btar;
    this.#server = server;
  }

  get name(): string {
    if (this.#name === undefined) throw new Error("no server is attached to btar");
    return this.#name;
  }

  /** A backup that builds on nothing: the server becomes a new service, as later backups of one build on the first. */
  async full(): Promise<BackupRun> {
    await this.detach();
    return await this.#measured(async () => {
      const name = `bench-${(this.#count += 1)}`;
      await this.btar.api.request("POST", `${project}/service/attach`, {
        service_name: name,
        cloud: north,
        uri: this.#server.uri,
        user_config: { additional_backup_regions: [south] },
      });
      this.#name = name;
      return await eventually("the first backup is asked for", async () => {
        const { backups } = await this.btar.api.request<BackupList>(
          "GET",
          `${project}/service/${name}/backups?all=true`,
        );
        return backups[0]?.backup_name;
      });
    });
  }

  /** A backup that builds on the newest one. */
  async next(): Promise<BackupRun> {
    return await this.#measured(() => this.btar.askForBackup(this.name));
  }

  async detach(): Promise<void> {
    if (this.#name === undefined) return;
    await this.btar.api.request("DELETE", `${project}/service/${this.#name}`);
    this.#name = undefined;
    await this.#server.released();
  }

  /** Runs `work`, which gives its seconds, and counts the processors' time of the agent and the server meanwhile. */
  async counted<T extends { readonly seconds: number }>(work: () => Promise<T>): Promise<T & ToolRun> {
    const { agentNorth } = await this.btar.pids();
    const { pid } = this.#server;
    const [tool, server] = [cpuSecondsOfTree(agentNorth), cpuSecondsOfTree(pid)];
    const result = await work();
    const toolCpuSeconds = cpuSecondsOfTree(agentNorth) - tool;
    return { ...result, toolCpuSeconds, serverCpuSeconds: cpuSecondsOfTree(pid) - server };
  }

  /** @param ask asks for a backup, and gives its name */
  async #measured(ask: () => Promise<string>): Promise<BackupRun> {
    const storedBefore = await this.#storedBytes();
    const run = await this.counted(async () => {
      const name = await ask();
      return { name, seconds: (await this.btar.completeBackup(this.name, name, "primary")).seconds };
    });
    const storedBytes = (await this.#storedBytes()) - storedBefore;
    const { location } = await this.btar.completeBackup(this.name, run.name, "secondary");
    return { ...run, storedBytes, crossedBytes: location.sent_bytes };
  }

  /** Of packs and manifests, of all services so far. */
  async #storedBytes(): Promise<number> {
    let bytes = 0;
    const store = join(this.btar.server.cloudDirectory(north), "store");
    for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
      const isOfBackup = /\/(?:pack|base)(?:\/|$)/.test(entry.parentPath.slice(store.length));
      if (entry.isFile() && isOfBackup) bytes += (await stat(join(entry.parentPath, entry.name))).size;
    }
    return bytes;
  }
}

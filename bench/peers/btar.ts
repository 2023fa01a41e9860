import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../../test/support/api-client.ts";
import { type MeasuredBtar, north, project, south } from "../measured-btar.ts";
import { cpuSecondsOfTree } from "../process-figures.ts";
import type { BackupRun, BackupTool, ToolRun } from "./backup-tool.ts";
import type { Cluster } from "./cluster.ts";
import { serverUser } from "./programs.ts";

const run = promisify(execFile);

interface BackupList {
  readonly backups: readonly { readonly backup_name: string }[];
}

/** btar with the cluster attached, a primary location and a secondary one. */
export class Btar implements BackupTool {
  readonly name = "btar";
  readonly #btar: MeasuredBtar;
  readonly #cluster: Cluster;
  #service: string | undefined;
  #serviceCount = 0;

  constructor(btar: MeasuredBtar, cluster: Cluster) {
    this.#btar = btar;
    this.#cluster = cluster;
  }

  get service(): string {
    if (this.#service === undefined) throw new Error("the cluster is not attached to btar");
    return this.#service;
  }

  /** The cluster becomes a new service, as only the first backup of a service builds on nothing. */
  async full(): Promise<BackupRun> {
    await this.detach();
    return await this.#measured(async () => {
      const service = `bench-${(this.#serviceCount += 1)}`;
      await this.#btar.api.request("POST", `${project}/service/attach`, {
        service_name: service,
        cloud: north,
        uri: this.#cluster.uri,
        user_config: { additional_backup_regions: [south] },
      });
      this.#service = service;
      return await eventually("the first backup is asked for", async () => {
        const { backups } = await this.#btar.api.request<BackupList>(
          "GET",
          `${project}/service/${service}/backups?all=true`,
        );
        return backups[0]?.backup_name;
      });
    });
  }

  async next(): Promise<BackupRun> {
    return await this.#measured(() => this.#btar.askForBackup(this.service));
  }

  async restore(backup: string, directory: string): Promise<ToolRun> {
    const { agentNorth } = await this.#btar.pids();
    const [tool, server] = [cpuSecondsOfTree(agentNorth), cpuSecondsOfTree(this.#cluster.pid)];
    const seconds = await this.#btar.restore(this.service, { location: north, backup, directory });
    const measured = {
      seconds,
      toolCpuSeconds: cpuSecondsOfTree(agentNorth) - tool,
      serverCpuSeconds: cpuSecondsOfTree(this.#cluster.pid) - server,
    };
    // An agent that is root writes files of root's, and the server is not root.
    if (serverUser) await run("chown", ["-R", `${serverUser.uid}:${serverUser.gid}`, directory]);
    return measured;
  }

  async detach(): Promise<void> {
    if (this.#service === undefined) return;
    await this.#btar.api.request("DELETE", `${project}/service/${this.#service}`);
    this.#service = undefined;
    await eventually("btar's replication slot is dropped", async () => {
      const slots = await this.#cluster.text("select count(*) from pg_replication_slots");
      return slots === "0" ? true : undefined;
    });
  }

  /** @param ask asks for a backup, and gives its name */
  async #measured(ask: () => Promise<string>): Promise<BackupRun> {
    const { agentNorth } = await this.#btar.pids();
    const storedBefore = await this.#storedBytes();
    const [tool, server] = [cpuSecondsOfTree(agentNorth), cpuSecondsOfTree(this.#cluster.pid)];
    const name = await ask();
    const { seconds } = await this.#btar.completeBackup(this.service, name, "primary");
    const toolCpuSeconds = cpuSecondsOfTree(agentNorth) - tool;
    const serverCpuSeconds = cpuSecondsOfTree(this.#cluster.pid) - server;
    const storedBytes = (await this.#storedBytes()) - storedBefore;
    const { location } = await this.#btar.completeBackup(this.service, name, "secondary");
    return { seconds, toolCpuSeconds, serverCpuSeconds, storedBytes, name, crossedBytes: location.sent_bytes };
  }

  /** Of packs and manifests, of all services so far. */
  async #storedBytes(): Promise<number> {
    let bytes = 0;
    const store = join(this.#btar.server.cloudDirectory(north), "store");
    for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
      const isOfBackup = /\/(?:pack|base)(?:\/|$)/.test(entry.parentPath.slice(store.length));
      if (entry.isFile() && isOfBackup) bytes += (await stat(join(entry.parentPath, entry.name))).size;
    }
    return bytes;
  }
}

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { eventually } from "../../test/support/api-client.ts";
import { AttachedService, type BackupRun } from "../attached-service.ts";
import { type MeasuredBtar, north } from "../measured-btar.ts";
import { serverUser } from "../programs.ts";
import type { ToolRun } from "../tool-run.ts";
import type { BackupTool } from "./backup-tool.ts";
import type { Cluster } from "./cluster.ts";

const run = promisify(execFile);

/** btar with the cluster attached, a primary location and a secondary one. */
export class Btar implements BackupTool {
  readonly name = "btar";
  readonly #attached: AttachedService;

  constructor(btar: MeasuredBtar, cluster: Cluster) {
    this.#attached = new AttachedService(btar, {
      pid: cluster.pid,
      uri: cluster.uri,
      released: async () => {
        await eventually("btar's replication slot is dropped", async () => {
          const slots = await cluster.text("select count(*) from pg_replication_slots");
          return slots === "0" ? true : undefined;
        });
      },
    });
  }

  get service(): string {
    return this.#attached.name;
  }

  async full(): Promise<BackupRun> {
    return await this.#attached.full();
  }

  async next(): Promise<BackupRun> {
    return await this.#attached.next();
  }

  async restore(backup: string, directory: string): Promise<ToolRun> {
    const { btar } = this.#attached;
    const measured = await this.#attached.counted(async () => ({
      seconds: await btar.restore(this.service, { location: north, backup, directory }),
    }));
    // An agent that is root writes files of root's, and the server is not root.
    if (serverUser) await run("chown", ["-R", `${serverUser.uid}:${serverUser.gid}`, directory]);
    return measured;
  }

  async detach(): Promise<void> {
    await this.#attached.detach();
  }
}

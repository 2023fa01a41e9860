import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { ApiClient, type BackupAnswer, eventually } from "../test/support/api-client.ts";
import { RunningBtar } from "../test/support/running-btar.ts";
import { peakMemoryBytes } from "./process-figures.ts";
import { secondsBetween } from "./statistics.ts";

export const project = "/project/demo";
export const [north, south] = ["local-north", "local-south"] as const;

type LocationAnswer = BackupAnswer["locations"][number];

export interface BackupAt {
  readonly backup: BackupAnswer;
  readonly location: LocationAnswer;
  /** From its job's start until it is complete there. */
  readonly seconds: number;
}

interface RestoreJob {
  readonly state: string;
  readonly trouble: string | null;
  readonly start_time: string | null;
  readonly finish_time: string | null;
}

interface StatusAnswer {
  readonly clouds: readonly { readonly cloud_name: string; readonly agents: readonly { readonly pid: number }[] }[];
}

/** btar as a user runs it, `btar up` with two clouds, and what benchmarks ask of it. */
export class MeasuredBtar implements AsyncDisposable {
  readonly server: RunningBtar;
  readonly api: ApiClient;

  private constructor(server: RunningBtar) {
    this.server = server;
    this.api = new ApiClient(server.url, server.token);
  }

  /**
   * @param options.root of the package
   * @param options.settings further lines of btar.yaml
   */
  static async start(options: {
    readonly root: string;
    readonly directory: string;
    readonly port: number;
    readonly firstServicePort: number;
    readonly settings?: readonly string[];
  }): Promise<MeasuredBtar> {
    return new MeasuredBtar(await RunningBtar.start({ ...options, token: `bench${"0".repeat(40)}` }));
  }

  /** Asks for a base backup, and gives its name. */
  async askForBackup(service: string): Promise<string> {
    const path = `${project}/service/${service}/backups`;
    const { backup } = await this.api.request<{ backup: { backup_name: string } }>("POST", path);
    return backup.backup_name;
  }

  /** Waits until a base backup is complete in the location of that role. */
  async completeBackup(service: string, name: string, role: "primary" | "secondary"): Promise<BackupAt> {
    return await eventually(`backup ${name} is complete in its ${role} location`, async () => {
      const path = `${project}/service/${service}/backups/${name}`;
      const { backup } = await this.api.request<{ backup: BackupAnswer }>("GET", path);
      const location = backup.locations.find((at) => at.role === role);
      if (location?.state === "failed") throw new Error(`backup ${name} failed in ${location.cloud}`);
      if (location?.state !== "complete") return undefined;
      return { backup, location, seconds: secondsBetween(location.started_at, location.completed_at) };
    });
  }

  /** Restores files into a directory; gives the seconds from the job's start to its end. */
  async restore(
    service: string,
    request: { readonly location: string; readonly backup: string; readonly directory: string },
  ): Promise<number> {
    const { location, backup, directory } = request;
    await mkdir(directory, { recursive: true });
    const asked = await this.api.request<{ job: { id: string } }>("POST", `${project}/service/${service}/restore`, {
      location,
      backup_name: backup,
      directory,
    });
    return await eventually("the restore has ended", async () => {
      const { job } = await this.api.request<{ job: RestoreJob }>("GET", `${project}/jobs/${asked.job.id}`);
      if (job.state === "failed") throw new Error(`the restore failed: ${job.trouble}`);
      return job.state === "complete" ? secondsBetween(job.start_time, job.finish_time) : undefined;
    });
  }

  async pids(): Promise<{ readonly agentNorth: number; readonly agentSouth: number; readonly controlPlane: number }> {
    return await eventually("both agents are heard of", async () => {
      const status = await this.api.request<StatusAnswer>("GET", `${project}/btar/status`);
      const agentNorth = livingAgent(status, north);
      const agentSouth = livingAgent(status, south);
      if (agentNorth === undefined || agentSouth === undefined) return undefined;
      return { agentNorth, agentSouth, controlPlane: await this.server.nodePid() };
    });
  }

  async peakMemory(): Promise<Record<"agentNorth" | "agentSouth" | "controlPlane", number>> {
    const { agentNorth, agentSouth, controlPlane } = await this.pids();
    return {
      agentNorth: peakMemoryBytes(agentNorth),
      agentSouth: peakMemoryBytes(agentSouth),
      controlPlane: peakMemoryBytes(controlPlane),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

/** An agent that ended a moment ago is listed for a while. */
function livingAgent({ clouds }: StatusAnswer, cloud: string): number | undefined {
  const agents = clouds.find(({ cloud_name }) => cloud_name === cloud)?.agents ?? [];
  return agents.map(({ pid }) => pid).find((pid) => existsSync(`/proc/${pid}`));
}

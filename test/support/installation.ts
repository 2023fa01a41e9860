import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProcessAlive } from "../../src/platform/process.ts";
import { type BtarOptions, BtarProcess, btar, eventually } from "./btar-process.ts";
import { freePorts } from "./free-ports.ts";

const portsEach = 20;

type StartOptions = Omit<BtarOptions, "directory">;

/** One installation with its own folder and ports, on default settings: two clouds, an embedded catalog. */
export class Installation {
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly #started: BtarProcess[] = [];

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.data = join(directory, "btar-data");
    this.port = port;
  }

  /** @param extra what else its `btar.yaml` says, from line 3 on */
  static async make(extra = ""): Promise<Installation> {
    const directory = await mkdtemp(join(tmpdir(), "btar-test-"));
    await chmod(directory, 0o755); // database servers, of another user, pass through it
    const [port, lastPort] = await freePorts(portsEach);
    const place = new Installation(directory, port);
    writeFileSync(
      join(place.directory, "btar.yaml"),
      `listen: 127.0.0.1:${port}\nservices: { ports: ${port + 1}-${lastPort} }\n${extra}`,
    );
    return place;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `btar up`, begun. */
  begin(options: StartOptions = {}): BtarProcess {
    return this.track(new BtarProcess(["up"], { directory: this.directory, ...options }));
  }

  /** Takes care that a process has ended when the installation is removed. */
  track(child: BtarProcess): BtarProcess {
    this.#started.push(child);
    return child;
  }

  /** `btar up`, once it is up. */
  async up(options: StartOptions = {}): Promise<BtarProcess> {
    const up = this.begin(options);
    await up.says("btar is up");
    return up;
  }

  async btar(...args: readonly string[]) {
    return await btar(args, { directory: this.directory });
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  }

  /** Of all clouds, or of one. */
  async agentPids(cloud?: string): Promise<readonly number[]> {
    const status = await this.btar("status", "--json");
    assert.equal(status.code, 0, status.stderr);
    const { clouds } = JSON.parse(status.stdout) as {
      readonly clouds: readonly { readonly cloud_name: string; readonly agents: readonly { pid: number }[] }[];
    };
    const wanted = clouds.filter(({ cloud_name }) => cloud === undefined || cloud_name === cloud);
    return wanted.flatMap(({ agents }) => agents.map(({ pid }) => pid));
  }

  /** Of running database servers, which outlive btar when it is killed. */
  serverPids(): readonly number[] {
    const patterns = ["catalog/data/postmaster.pid", "clouds/*/services/*/data/postmaster.pid"];
    return globSync(patterns, { cwd: this.data })
      .map((file) => Number(readFileSync(join(this.data, file), "utf8").split("\n")[0]))
      .filter((pid) => pid > 0 && isProcessAlive(pid));
  }

  /** Stops whatever of it still runs, and removes it. */
  async remove(): Promise<void> {
    for (const each of this.#started) each.signal("SIGKILL");
    for (const each of this.#started) await each.ended();
    const pids = this.serverPids();
    for (const pid of pids) process.kill(pid, "SIGQUIT");
    await eventually("the database servers have ended", () => !pids.some(isProcessAlive));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

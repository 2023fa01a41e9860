import { performance } from "node:perf_hooks";
import mysql from "mysql2/promise";
import { eventually, type ServiceAnswer } from "../../test/support/api-client.ts";
import { type MeasuredBtar, north, project } from "../measured-btar.ts";

export interface ForkProgress {
  /** Of this process's clock. */
  readonly atMs: number;
  readonly transactions: number;
}

export interface Fork {
  readonly name: string;
  /** From when it was asked for until a client's first query was answered. */
  readonly seconds: number;
  /** What the fork told of its replay, as often as it told something new. */
  readonly replayed: readonly ForkProgress[];
  /** The first column of each row. */
  query(text: string): Promise<readonly string[]>;
}

interface JobsAnswer {
  readonly jobs: readonly {
    readonly kind: string;
    readonly service_name: string | null;
    readonly progress: { readonly detail?: string } | null;
  }[];
}

/** Forks a service from its primary location, at the end of what is stored. */
export async function fork(btar: MeasuredBtar, source: string, name: string): Promise<Fork> {
  const startedAt = performance.now();
  await btar.api.request("POST", `${project}/service`, {
    service_name: name,
    service_type: "mysql",
    cloud: north,
    plan: "startup-4",
    user_config: { service_to_fork_from: source },
  });
  const replayed: ForkProgress[] = [];
  const uri = await eventually(`${name} runs`, async () => {
    const { service } = await btar.api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    if (service.state === "RUNNING") return service.service_uri ?? "";
    const transactions = await transactionsReplayed(btar, name);
    if (transactions !== undefined && transactions !== replayed.at(-1)?.transactions) {
      replayed.push({ atMs: performance.now(), transactions });
    }
    return undefined;
  });
  const query = async (text: string) => await queryOnce(uri, text);
  await query("select 1");
  return { name, seconds: (performance.now() - startedAt) / 1000, replayed, query };
}

/** Deletes it, with its server. */
export async function deleteFork(btar: MeasuredBtar, { name }: Fork): Promise<void> {
  await btar.api.request("DELETE", `${project}/service/${name}`);
  await eventually(`the server of ${name} is removed`, async () => {
    const { jobs } = await btar.api.request<JobsAnswer>("GET", `${project}/jobs?open=true`);
    return jobs.some((job) => job.kind === "remove" && job.service_name === name) ? undefined : true;
  });
}

async function transactionsReplayed(btar: MeasuredBtar, name: string): Promise<number | undefined> {
  const { jobs } = await btar.api.request<JobsAnswer>("GET", `${project}/jobs?open=true`);
  const job = jobs.find((candidate) => candidate.kind === "fork" && candidate.service_name === name);
  const told = /(\d+) of \d+ transactions/.exec(job?.progress?.detail ?? "");
  return told ? Number(told[1]) : undefined;
}

async function queryOnce(uri: string, text: string): Promise<readonly string[]> {
  const url = new URL(uri);
  const connection = await mysql.createConnection({
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ssl: { rejectUnauthorized: false },
  });
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[][]>({ sql: text, rowsAsArray: true });
    return rows.map((row) => String(row[0]));
  } finally {
    await connection.end();
  }
}

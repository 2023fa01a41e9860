/** A real Prometheus, from Debian's packages. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-ports.ts";
import { until } from "./simulated-agent.ts";

const script = fileURLToPath(new URL("../../scripts/servers/prometheus.sh", import.meta.url));
export const alertsFile = fileURLToPath(new URL("../../monitoring/alerts.yaml", import.meta.url));
export const dashboardFile = fileURLToPath(new URL("../../monitoring/grafana-dashboard.json", import.meta.url));

/** Runs promtool to its end. */
export function promtool(
  args: readonly string[],
  input = "",
): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(script, ["promtool", ...args], { input, encoding: "utf8" });
  return { status, text: stdout + stderr };
}

export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface TestPrometheus extends AsyncDisposable {
  /** Alerts of that name that fire now. */
  firing(name: string): Promise<readonly FiringAlert[]>;
  /** Values of a query now, by their labels as JSON. */
  query(expression: string): Promise<ReadonlyMap<string, number>>;
}

/** Watches a btar every second, with the project's own rules; what they wait for is cut to nothing. */
export async function startPrometheus(btar: { readonly url: string; readonly token: string }): Promise<TestPrometheus> {
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-prometheus-"));
  const rules = (await readFile(alertsFile, "utf8")).replaceAll(/^ +for: \w+$/gm, "");
  await writeFile(path.join(directory, "alerts.yaml"), rules);
  await writeFile(path.join(directory, "token"), btar.token, { mode: 0o600 });
  await writeFile(
    path.join(directory, "prometheus.yaml"),
    [
      "global: { scrape_interval: 1s, evaluation_interval: 1s }",
      `rule_files: [${path.join(directory, "alerts.yaml")}]`,
      "scrape_configs:",
      "  - job_name: btar",
      `    authorization: { credentials_file: ${path.join(directory, "token")} }`,
      `    static_configs: [{ targets: ["${new URL(btar.url).host}"] }]`,
      "",
    ].join("\n"),
  );
  const port = await freePort();
  const child = spawn(
    script,
    [
      "prometheus",
      `--config.file=${path.join(directory, "prometheus.yaml")}`,
      `--storage.tsdb.path=${path.join(directory, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const url = `http://127.0.0.1:${port}`;
  const ask = async <T>(ofApi: string): Promise<T> =>
    ((await (await fetch(`${url}/api/v1/${ofApi}`)).json()) as { data: T }).data;
  const stop = async () => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await until("prometheus is ready", async () => {
      if (child.exitCode !== null) throw new Error(`prometheus ended:\n${said}`);
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async firing(name) {
      const { alerts } = await ask<{ alerts: readonly (FiringAlert & { readonly state: string })[] }>("alerts");
      return alerts.filter(({ labels, state }) => labels["alertname"] === name && state === "firing");
    },
    async query(expression) {
      const { result } = await ask<{ result: readonly { metric: Record<string, string>; value: [number, string] }[] }>(
        `query?query=${encodeURIComponent(expression)}`,
      );
      return new Map(result.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]));
    },
    [Symbol.asyncDispose]: stop,
  };
}

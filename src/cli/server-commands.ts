import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { LogsAnswer, MetricsAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTable, oneLine } from "./format.ts";
import { count } from "./setting-options.ts";

const defaultLines = 100;
const followEveryMs = 3000;
export const periods = ["hour", "day", "week", "month", "year"] as const;

/** What is told of managed servers. @param service the command `service` */
export function addServerCommands(service: Command, findAccess: FindAccess): void {
  const logs = service
    .command("logs <name>")
    .description("the newest lines of the server's log")
    .option("-n, --limit <count>", "how many, up to 500", count, defaultLines)
    .option("-f, --follow", "go on with what comes, until Ctrl-C");
  clientCommand(logs, findAccess, async (context, [name = ""]) => {
    await showLogs(context, name, logs.opts<{ limit: number; follow?: boolean }>());
  });
  const metrics = service
    .command("metrics <name>")
    .description("what the server needs: CPU, memory, disk")
    .addOption(new Option("--period <period>", "how far back").choices(periods).default("hour"));
  clientCommand(metrics, findAccess, async (context, [name = ""]) => {
    await showMetrics(context, name, metrics.opts<{ period: string }>().period);
  });
}

async function showLogs(
  { api, output }: CommandContext,
  name: string,
  { limit, follow = false }: { readonly limit: number; readonly follow?: boolean },
): Promise<void> {
  const path = `/service/${segment(name)}/logs`;
  let answer = await api.inProject<LogsAnswer>("POST", path, { limit });
  output.answer(answer, () => linesOf(answer) || "nothing yet");
  while (follow) {
    await sleep(followEveryMs);
    answer = await api.inProject<LogsAnswer>("POST", path, { limit: 500, offset: answer.offset });
    if (answer.logs.length > 0) output.answer(answer, () => linesOf(answer));
  }
}

function linesOf({ logs }: LogsAnswer): string {
  return logs.map(({ time, msg }) => `${time}  ${oneLine(msg)}`).join("\n");
}

async function showMetrics({ api, output }: CommandContext, name: string, period: string): Promise<void> {
  const answer = await api.inProject<MetricsAnswer>("POST", `/service/${segment(name)}/metrics`, { period });
  output.answer(answer, () => chartsTable(answer.metrics));
}

/** Of each chart the newest value, the mean and the most. */
export function chartsTable(charts: Readonly<Record<string, MetricsAnswer["metrics"][string]>>): string {
  const rows = Object.entries(charts).flatMap(([metric, { hints, data }]) =>
    data.cols.slice(1).flatMap(({ label }, index) => {
      const values = data.rows.map((row) => row[index + 1]).filter((value) => typeof value === "number");
      if (values.length === 0) return [];
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const figures = [values.at(-1) ?? 0, mean, Math.max(...values)].map(figure);
      return [[metric, label, ...figures, hints.title]];
    }),
  );
  if (rows.length === 0) return "nothing measured yet";
  return formatTable(["metric", "of", "now", "mean", "most", "what"], rows);
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

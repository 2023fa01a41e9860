import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { LogsAnswer, MetricsAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTable, oneLine } from "./format.ts";
import { count } from "./setting-options.ts";

const defaultLines = 100;
const followEveryMs = 3000;
const periods = ["hour", "day", "week", "month", "year"] as const;

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
  output.answer(answer, () => {
    const rows = Object.entries(answer.metrics).map(([metric, { hints, data }]) => {
      const values = data.rows.flatMap((row) => row.slice(1)).filter((value) => typeof value === "number");
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [metric, ...[values.at(-1) ?? 0, mean, Math.max(...values)].map(figure), hints.title];
    });
    return rows.length === 0 ? "nothing measured yet" : formatTable(["metric", "now", "mean", "most", "what"], rows);
  });
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

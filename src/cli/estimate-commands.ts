import type { Command } from "commander";
import type { EstimateAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatBytes, formatPairs, formatSeconds, oneLine } from "./format.ts";

export function addEstimateCommand(program: Command, findAccess: FindAccess): void {
  const estimate = program
    .command("estimate")
    .description("what a copy of a service's backups in another cloud takes: bytes, time, storage, money")
    .requiredOption("--service <service>", "service")
    .requiredOption("--to <cloud>", "cloud that its backups are, or would be, copied to")
    .addHelpText(
      "after",
      "\nNothing is changed, and no store is asked. Prices are those of the configuration, `prices`.\n\n" +
        "Example:\n  btar estimate --service shop --to aws-eu-central-1",
    );
  clientCommand(estimate, findAccess, (context) => showEstimate(context, estimate.opts()));
}

async function showEstimate(
  { api, output }: CommandContext,
  { service, to }: { readonly service: string; readonly to: string },
): Promise<void> {
  const path = `/service/${segment(service)}/btar/estimate/${segment(to)}`;
  const answer = await api.inProject<EstimateAnswer>("GET", path);
  output.answer(answer, () => {
    const { service_name, from_cloud, to_cloud, is_copied } = answer;
    const title = `${service_name}, from ${from_cloud} to ${to_cloud}${is_copied ? ", where it is copied already" : ""}`;
    const basis = answer.rests_on.map((line) => `  ${oneLine(line)}`);
    return [title, "", formatPairs(figures(answer)), "", "What this rests on:", ...basis].join("\n");
  });
}

function figures(answer: EstimateAnswer): readonly (readonly [string, string])[] {
  const { money } = answer;
  const rate = answer.bytes_per_second;
  return [
    [
      "to copy now",
      `${formatBytes(answer.bytes_to_copy)}: ${answer.backups_to_copy} ${answer.backups_to_copy === 1 ? "base backup" : "base backups"} ` +
        `${formatBytes(answer.backup_bytes_to_copy)}, log ${formatBytes(answer.log_bytes_to_copy)}`,
    ],
    ["a day after that", answer.bytes_per_day === null ? "not known yet" : formatBytes(answer.bytes_per_day)],
    ["time to catch up", `${catchUpText(answer)}${rate === null ? "" : ` at ${formatBytes(rate)}/s`}`],
    ["stored there then", formatBytes(answer.stored_bytes)],
    [`with ${answer.retention_days} days of backups`, formatBytes(answer.stored_bytes_later)],
    ...(money
      ? ([
          ["cost now, once", moneyText(money.once, money.currency)],
          [
            "cost a month",
            `${moneyText(money.per_month, money.currency)}: storage ${money.per_month_stored.toFixed(2)}, ` +
              `transfer ${money.per_month_transferred.toFixed(2)}`,
          ],
        ] as const)
      : ([["cost", "the configuration has no prices"]] as const)),
  ];
}

function catchUpText({ seconds_to_catch_up: seconds, never_catches_up: never }: EstimateAnswer): string {
  if (never) return "never: more comes than can be copied";
  return seconds === null ? "not known yet" : formatSeconds(seconds);
}

function moneyText(amount: number, currency: string): string {
  return `${amount.toFixed(2)} ${currency}`;
}

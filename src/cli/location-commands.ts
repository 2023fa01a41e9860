import { type Command, Option } from "commander";
import type { Protection, ReportAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { chartsTable, periods } from "./server-commands.ts";

interface PauseOptions {
  readonly cloud: string;
  readonly reason?: string;
}

/** @param location the command `location` */
export function addLocationCommands(location: Command, findAccess: FindAccess): void {
  const pause = location
    .command("pause <service>")
    .description("copy nothing to a cloud for now; what is there can be restored all the same")
    .requiredOption("--cloud <cloud>", "additional cloud")
    .option("--reason <text>", "why, for those who look at the growing lag")
    .addHelpText("after", "\nExample:\n  btar location pause shop --cloud local-south --reason 'the link is needed'");
  clientCommand(pause, findAccess, (context, [service = ""]) => pauseLocation(context, service, pause.opts()));
  const resume = location
    .command("resume <service>")
    .description("go on copying to a cloud, where it stopped")
    .requiredOption("--cloud <cloud>", "additional cloud")
    .addHelpText("after", "\nExample:\n  btar location resume shop --cloud local-south");
  clientCommand(resume, findAccess, (context, [service = ""]) => resumeLocation(context, service, resume.opts()));
  const report = location
    .command("report <service>")
    .description("lag, data at risk and what was copied over time, by cloud")
    .addOption(new Option("--period <period>", "how far back").choices(periods).default("hour"));
  clientCommand(report, findAccess, async ({ api, output }, [service = ""]) => {
    const path = `/service/${segment(service)}/backup_to_another_region/report`;
    const answer = await api.inProject<ReportAnswer>("POST", path, report.opts());
    output.answer(answer, () => chartsTable(answer.metrics));
  });
}

function pathOf(service: string, cloud: string): string {
  return `/service/${segment(service)}/btar/locations/${segment(cloud)}`;
}

async function pauseLocation(context: CommandContext, service: string, options: PauseOptions): Promise<void> {
  const { api, output } = context;
  const { cloud, reason } = options;
  const body = { paused: true, ...(reason !== undefined && { pause_reason: reason }) };
  const answer = await api.inProject<Protection>("PUT", pathOf(service, cloud), body);
  output.answer(answer, () => {
    return `nothing of ${service} is copied to ${cloud}; go on with: btar location resume ${service} --cloud ${cloud}`;
  });
}

async function resumeLocation(context: CommandContext, service: string, options: PauseOptions): Promise<void> {
  const { api, output } = context;
  const { cloud } = options;
  const answer = await api.inProject<Protection>("PUT", pathOf(service, cloud), { paused: false });
  output.answer(answer, () => `backups of ${service} are copied to ${cloud} again`);
}

import type { Command } from "commander";
import type { CancelAnswer, Job, JobAnswer, JobsAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatMoment, formatTable, oneLine, paintState } from "./format.ts";
import { describeJob, followJob } from "./job-progress.ts";

/** @param jobs the command `jobs` */
export function addJobCommands(jobs: Command, findAccess: FindAccess): void {
  const list = jobs
    .command("list", { isDefault: true })
    .description("list jobs, newest first")
    .option("--open", "only those that have not ended")
    .option("--service <service>", "only those of a service");
  clientCommand(list, findAccess, (context) => listJobs(context, list.opts()));
  const get = jobs.command("get <job>").description("show one job");
  clientCommand(get, findAccess, async ({ api, output }, [id = ""]) => {
    const answer = await api.inProject<JobAnswer>("GET", `/jobs/${segment(id)}`);
    output.answer(answer, () => jobsTable([answer.job]));
  });
  const watch = jobs
    .command("watch <job>")
    .description("follow a job to its end; Ctrl-C ends the following, not the job");
  clientCommand(watch, findAccess, async (context, [id = ""]) => {
    const job = await followJob(context, id);
    context.output.answer({ job }, () => jobsTable([job]));
  });
  const cancel = jobs.command("cancel <job>").description("end a job; what it had begun is cleaned up");
  clientCommand(cancel, findAccess, async ({ api, output }, [id = ""]) => {
    const answer = await api.inProject<CancelAnswer>("DELETE", `/jobs/${segment(id)}`);
    output.answer(answer, () => oneLine(answer.message));
  });
}

async function listJobs(
  { api, output }: CommandContext,
  { open, service }: { readonly open?: boolean; readonly service?: string },
): Promise<void> {
  const path = service === undefined ? "/jobs" : `/service/${segment(service)}/jobs`;
  const answer = await api.inProject<JobsAnswer>("GET", `${path}${open ? "?open=true" : ""}`);
  output.answer(answer, () => (answer.jobs.length === 0 ? "no jobs" : jobsTable(answer.jobs)));
}

function jobsTable(jobs: readonly Job[]): string {
  return formatTable(
    ["job", "kind", "service", "cloud", "state", "created", "what"],
    jobs.map((job) => [
      job.id,
      job.kind,
      job.service_name ?? "",
      job.cloud_name,
      paintState(job.state),
      formatMoment(job.create_time),
      job.state === "complete" ? "" : describeJob(job),
    ]),
  );
}

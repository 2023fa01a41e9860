import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { CloudStateAnswer, EventAnswer, JobAnswer, LocationAnswer, ProtectionAnswer } from "./api-answers.ts";
import { type CommandContext, type FindAccess, inContext, withCommonOptions } from "./command-context.ts";
import { formatMoment, formatSeconds, formatTable, paintState } from "./format.ts";
import { describeJob, followJob } from "./job-progress.ts";

export function addOverviewCommands(program: Command, findAccess: FindAccess): void {
  const run = (
    command: Command,
    action: (context: CommandContext, values: readonly string[]) => Promise<void>,
  ): Command => {
    withCommonOptions(command).action(async (...values: unknown[]) => {
      const texts = values.filter((value): value is string => typeof value === "string");
      await inContext(findAccess, command, (context) => action(context, texts));
    });
    return command;
  };
  run(
    program
      .command("status [service]")
      .description("is every service safe in a second region, and what could be restored now?"),
    (context, [service]) => showStatus(context, service),
  );
  const cloud = program.command("cloud").description("clouds");
  run(cloud.command("list").description("list the configured clouds"), listClouds);
  const events = program
    .command("events")
    .description("what happened, newest first")
    .option("-n, --limit <count>", "how many", "20");
  run(events, (context) => showEvents(context, String(events.opts()["limit"])));

  const jobs = program.command("jobs").description("long work: what goes on, and how far it is");
  const list = jobs
    .command("list", { isDefault: true })
    .description("list jobs, newest first")
    .option("--open", "only those that have not ended");
  run(list, (context) => listJobs(context, { isOpen: list.opts()["open"] === true }));
  run(jobs.command("get <job>").description("show one job"), async ({ api, output }, [id = ""]) => {
    const answer = await api.inProject<{ job: JobAnswer }>("GET", `/jobs/${encodeURIComponent(id)}`);
    output.answer(answer, () => jobsTable([answer.job]));
  });
  run(jobs.command("watch <job>").description("follow a job to its end"), async ({ api, output }, [id = ""]) => {
    const job = await followJob(api, output, id);
    output.answer({ job }, () => jobsTable([job]));
  });
  run(
    jobs.command("cancel <job>").description("end a job; what it had begun is cleaned up"),
    async ({ api, output }, [id = ""]) => {
      const answer = await api.inProject<{ job: JobAnswer; message: string }>(
        "DELETE",
        `/jobs/${encodeURIComponent(id)}`,
      );
      output.answer(answer, () => answer.message);
    },
  );
}

interface StatusAnswer {
  readonly clouds: readonly CloudStateAnswer[];
  readonly services: readonly ProtectionAnswer[];
}

async function showStatus({ api, output }: CommandContext, service: string | undefined): Promise<void> {
  const status = await api.inProject<StatusAnswer>("GET", "/btar/status");
  const services = status.services.filter(({ service_name }) => service === undefined || service_name === service);
  if (service !== undefined && services.length === 0) {
    throw new BtarError("NOT_FOUND", { message: `there is no service ${service}` });
  }
  output.answer(service === undefined ? status : services[0], () => {
    const clouds = status.clouds.map((cloud) => [
      cloud.cloud_name,
      paintState(cloud.is_up ? "up" : "down"),
      cloud.trouble ?? "",
    ]);
    const rows = services.flatMap((protection) =>
      protection.locations.map((location) => locationRow(protection, location)),
    );
    const parts = [formatTable(["cloud", "state", "trouble"], clouds)];
    if (rows.length > 0) {
      parts.push(
        formatTable(
          ["service", "state", "location", "backups", "lag", "data at risk", "can be restored to", "trouble"],
          rows,
        ),
      );
    }
    return parts.join("\n\n");
  });
}

function locationRow(protection: ProtectionAnswer, location: LocationAnswer): readonly string[] {
  const { recovery_window: window, replication_lag_seconds: lag, rpo_seconds: rpo } = location;
  const state = location.paused
    ? " (paused)"
    : location.state === "deleting"
      ? ` (kept until ${location.delete_after})`
      : "";
  return [
    protection.service_name,
    paintState(protection.state),
    `${location.cloud} (${location.role})${state}`,
    String(location.complete_backups),
    lag === null ? "-" : formatSeconds(lag),
    rpo === null ? "-" : formatSeconds(rpo),
    window ? `${short(window.earliest_at)} to ${short(window.latest_at)}` : "nothing yet",
    location.trouble ?? protection.trouble ?? "",
  ];
}

function short(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

interface CloudAnswer {
  readonly cloud_name: string;
  readonly cloud_description: string;
  readonly provider_description: string;
}

async function listClouds({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<{ clouds: readonly CloudAnswer[] }>("GET", "/clouds");
  output.answer(answer, () =>
    formatTable(
      ["cloud", "description", "provider"],
      answer.clouds.map((cloud) => [cloud.cloud_name, cloud.cloud_description, cloud.provider_description]),
    ),
  );
}

async function showEvents({ api, output }: CommandContext, limit: string): Promise<void> {
  const answer = await api.inProject<{ events: readonly EventAnswer[] }>(
    "GET",
    `/events?limit=${encodeURIComponent(limit)}`,
  );
  output.answer(answer, () =>
    formatTable(
      ["time", "severity", "service", "event", "by"],
      answer.events.map((event) => [
        formatMoment(event.time),
        paintState(event.severity),
        event.service_name ?? "",
        event.event_desc,
        event.actor,
      ]),
    ),
  );
}

async function listJobs({ api, output }: CommandContext, options: { readonly isOpen: boolean }): Promise<void> {
  const answer = await api.inProject<{ jobs: readonly JobAnswer[] }>(
    "GET",
    `/jobs${options.isOpen ? "?open=true" : ""}`,
  );
  output.answer(answer, () => (answer.jobs.length === 0 ? "no jobs" : jobsTable(answer.jobs)));
}

function jobsTable(jobs: readonly JobAnswer[]): string {
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

import { BtarError, isBtarError } from "../domain/errors.ts";
import type { CloudsAnswer, Job, JobsAnswer, Service, ServiceAnswer } from "./api-answers.ts";
import { type CommandContext, segment } from "./command-context.ts";
import { connectCommand } from "./engine-commands.ts";
import { describeJob, goesOn, jobError } from "./job-progress.ts";
import { waitFor } from "./waiting.ts";

/** Work after which a service runs. */
const buildingKinds = ["provision", "fork", "apply"];

/** Waits until a service runs, then answers with it and how to connect. */
export async function answerWhenRunning(
  context: CommandContext,
  name: string,
  options: { readonly timeout?: number },
): Promise<void> {
  const service = await untilRunning(context, name, options.timeout);
  const next = await nextSteps(context, service);
  context.output.answer({ service }, () => [connectionText(service), ...next].join("\n"));
}

/** @throws {BtarError} the failure of the job that builds it; WRONG_STATE when it is powered off; as `waitFor` does */
async function untilRunning(
  { api, output }: CommandContext,
  name: string,
  timeoutSeconds: number | undefined,
): Promise<Service> {
  const path = `/service/${segment(name)}`;
  let jobId: string | undefined;
  return await waitFor({
    output,
    timeoutSeconds,
    what: `${name} runs`,
    goesOn: () =>
      jobId === undefined
        ? { message: `${name} is still being built`, hint: `wait for it with \`btar service wait ${name}\`` }
        : goesOn(jobId),
    look: async () => {
      const { jobs } = await api.inProject<JobsAnswer>("GET", `${path}/jobs`);
      const { service } = await serviceAt(api, path);
      if (service.state === "RUNNING") return service;
      if (service.state === "POWEROFF") throw poweredOff(name);
      const job = buildingJob(jobs);
      jobId = job?.id;
      if (job && hasFailed(job)) throw jobError(job);
      output.progress(`${name}: ${job ? describeJob(job) : service.state}`);
      return undefined;
    },
  });
}

/** A fork that has failed leaves no service behind, but its job, which says why. */
async function serviceAt(api: CommandContext["api"], path: string): Promise<ServiceAnswer> {
  try {
    return await api.inProject<ServiceAnswer>("GET", path);
  } catch (error) {
    if (!isBtarError(error, "NOT_FOUND")) throw error;
    const job = buildingJob((await api.inProject<JobsAnswer>("GET", `${path}/jobs`)).jobs);
    throw job && hasFailed(job) ? jobError(job) : error;
  }
}

function buildingJob(jobs: readonly Job[]): Job | undefined {
  return jobs.find(({ kind }) => buildingKinds.includes(kind));
}

function hasFailed({ state }: Job): boolean {
  return state === "failed" || state === "cancelled";
}

function poweredOff(name: string): BtarError {
  return new BtarError("WRONG_STATE", {
    message: `${name} is powered off`,
    hint: `start it with \`btar service update ${name} --power-on\``,
  });
}

function connectionText(service: Service): string {
  const connect = connectCommand(service);
  return connect === undefined
    ? `${service.service_name} runs`
    : `${service.service_name} runs. Connect with:\n  ${connect}`;
}

/** What is left to do for a fork that was made away from its source's cloud. */
async function nextSteps({ api }: CommandContext, service: Service): Promise<readonly string[]> {
  const { service_name: name, cloud_name: cloud, forked_from: origin } = service;
  const first = origin?.sourceCloud;
  if (!origin || first === undefined || first === cloud) return [];
  const { clouds } = await api.inProject<CloudsAnswer>("GET", "/clouds");
  if (!clouds.some(({ cloud_name }) => cloud_name === first)) {
    return [
      `It has backups of its own in ${cloud} alone: ${first} is not in the configuration. Name a second cloud there, and then:`,
      `  btar service update ${name} --additional-backup-region CLOUD`,
    ];
  }
  return [
    `It has backups of its own in ${cloud}. Copy them to another cloud, such as ${first}, even before that is back:`,
    `  btar service update ${name} --additional-backup-region ${first}`,
    `When ${first} is back, see what ${origin.serviceName} has committed that never reached ${name}:`,
    `  btar fork lost-range ${name}`,
  ];
}

import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { StatusAnswer, VerifyAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatMoment, formatTable, oneLine } from "./format.ts";
import { followJob } from "./job-progress.ts";
import { percentage } from "./setting-options.ts";

interface VerifyOptions {
  readonly location?: string;
  readonly readData: number;
  readonly wait: boolean;
}

export function addVerifyCommand(program: Command, findAccess: FindAccess): void {
  const verify = program
    .command("verify [service]")
    .description("check what the stores hold of a service, or of all; damage is healed from another location")
    .option("--location <cloud>", "only the store of this cloud")
    .option("--read-data <percent>", "also read this share of the data: checksums, seals, fingerprints", percentage, 0)
    .option("--no-wait", "do not wait for the result")
    .addHelpText(
      "after",
      "\nIt exits with 6 when something is damaged or missing that could not be healed.\n\n" +
        "Examples:\n  btar verify shop --read-data 100\n  btar verify --location aws-eu-central-1",
    );
  clientCommand(verify, findAccess, (context, [service]) => verifyServices(context, service, verify.opts()));
}

async function verifyServices(
  context: CommandContext,
  service: string | undefined,
  { location, readData, wait }: VerifyOptions,
): Promise<void> {
  const { api, output } = context;
  const names = service === undefined ? await servicesIn(context, location) : [service];
  const jobs: VerifyAnswer["jobs"] = [];
  for (const name of names) {
    const body = { ...(location !== undefined && { location }), read_data_percent: readData };
    jobs.push(...(await api.inProject<VerifyAnswer>("POST", `/service/${segment(name)}/btar/verify`, body)).jobs);
  }
  if (!wait) {
    output.answer({ jobs }, () => `${jobs.length} verifications were asked for; \`btar status\` shows their results`);
    return;
  }
  const ended = [];
  for (const { id } of jobs) ended.push(await followJob(context, id));
  const { services } = await api.inProject<StatusAnswer>("GET", "/btar/status");
  const locations = services
    .filter(({ service_name }) => names.includes(service_name))
    .flatMap(({ service_name, locations: all }) =>
      all
        .filter(({ cloud }) => location === undefined || cloud === location)
        .map(({ cloud, verification }) => ({ service_name, cloud, ...verification })),
    );
  output.answer({ jobs: ended, locations }, () => resultText(locations));
  const damaged = locations.flatMap((each) => each.damaged.filter(({ kind }) => kind !== "stray"));
  if (damaged.length === 0) return;
  throw new BtarError("OBJECT_DAMAGED", {
    message: `${damaged.length} objects are damaged or missing, and no other location has them sound`,
    hint: "base backups that need them are not offered there; take a new one with `btar backup create`, see docs/runbook.md",
  });
}

/** Of all services, those that have backups in that cloud. */
async function servicesIn({ api }: CommandContext, location: string | undefined): Promise<readonly string[]> {
  const { services } = await api.inProject<StatusAnswer>("GET", "/btar/status");
  return services
    .filter(({ locations }) => location === undefined || locations.some(({ cloud }) => cloud === location))
    .map(({ service_name }) => service_name);
}

type VerifiedLocation = { readonly service_name: string; readonly cloud: string } & Pick<
  StatusAnswer["services"][number]["locations"][number]["verification"],
  "last_verified_at" | "data_verified_at" | "damaged"
>;

function resultText(locations: readonly VerifiedLocation[]): string {
  const time = (text: string | null) => (text === null ? "never" : formatMoment(text));
  const table = formatTable(
    ["service", "location", "verified", "all data read", "damaged"],
    locations.map(({ service_name, cloud, last_verified_at, data_verified_at, damaged }) => [
      service_name,
      cloud,
      time(last_verified_at),
      time(data_verified_at),
      String(damaged.filter(({ kind }) => kind !== "stray").length),
    ]),
  );
  const lines = locations.flatMap(({ cloud, damaged }) =>
    damaged.map(({ object, kind, what, affected_backups: backups }) => {
      const affected = backups.length > 0 ? `; affects ${backups.join(", ")}` : "";
      return oneLine(`${cloud}: ${object} is ${kind}: ${what}${affected}`);
    }),
  );
  return lines.length > 0 ? `${table}\n\n${lines.join("\n")}` : table;
}

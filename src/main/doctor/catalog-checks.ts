import type { Selectable } from "kysely";
import { type Catalog, catalogMigrations, openCatalog } from "../../catalog/catalog.ts";
import type { ServiceTable } from "../../catalog/schema.ts";
import { pinnedRequest } from "../../cli/pinned-request.ts";
import type { BtarConfiguration } from "../../contract/configuration.ts";
import { describeError } from "../../domain/errors.ts";
import { readTextIfThere } from "../../platform/files.ts";
import { readSmallFile, dataFiles } from "../data-directory.ts";
import { unfinishedRotation } from "../key/rotate-key.ts";
import { findCatalogUrl } from "../open-parts.ts";
import type { LoadedConfiguration } from "../load-configuration.ts";
import { btarVersion } from "../version.ts";
import { type Finding, findingsOf } from "./finding.ts";

const apiTimeoutMs = 5000;
const agentSilenceMs = 30_000;
const longDays = 2;

/** Opens the catalog as it is, without bringing its tables up to date. */
export async function checkCatalog(
  loaded: LoadedConfiguration,
  options: { readonly parts: AsyncDisposableStack; readonly say: (text: string) => void },
): Promise<{ readonly catalog: Catalog | undefined; readonly findings: readonly Finding[] }> {
  const { ok, warning, error } = findingsOf("catalog");
  try {
    const url = await findCatalogUrl(loaded, { ...options, isAlone: false });
    if (url === undefined) {
      return { catalog: undefined, findings: [warning("there is none yet", "start btar, or set BTAR_DATABASE_URL")] };
    }
    const { pending, unknown } = await catalogMigrations(url);
    if (unknown.length > 0) {
      const fix = "take the btar that has made it, or a newer one";
      return { catalog: undefined, findings: [error(`it was made by a newer btar (${unknown.join(", ")})`, fix)] };
    }
    if (pending.length > 0) {
      const what = `its tables are of an older btar (${pending.join(", ")} to come)`;
      return {
        catalog: undefined,
        findings: [warning(what, "start this version of btar, which brings them up to date")],
      };
    }
    const catalog = await openCatalog(url, {
      ...{ maxConnections: 2, applicationName: "btar doctor", onError: () => undefined },
    });
    options.parts.defer(() => catalog.close());
    return { catalog, findings: [ok("reachable, its tables are up to date")] };
  } catch (cause) {
    const fix = "start btar, or see that its PostgreSQL runs and BTAR_DATABASE_URL names it";
    return { catalog: undefined, findings: [error(`it cannot be used: ${describeError(cause)}`, fix)] };
  }
}

/** Whether the API of this machine answers. */
export async function checkApi({ dataDirectory, tls }: BtarConfiguration): Promise<readonly Finding[]> {
  const { ok, warning, error } = findingsOf("api");
  const url = process.env["BTAR_URL"] ?? (await readSmallFile(dataFiles(dataDirectory).url));
  if (url === undefined) return [warning("it is not known where it answers", "start btar, or set BTAR_URL")];
  try {
    const certificate = tls && url.startsWith("https:") ? await readTextIfThere(tls.certificate) : undefined;
    const status = await readiness(`${url}/readyz`, certificate);
    if (status === 200) return [ok(`${url} answers`)];
    return [error(`${url} says that it is not ready (${status})`, "see log/server.log in the data directory")];
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : describeError(cause);
    return [error(`${url} does not answer: ${reason}`, "start btar: nothing is backed up while it does not run")];
  }
}

/** @param certificate that the API of this machine shows; undefined: it is known by its name, or has none */
async function readiness(url: string, certificate: string | undefined): Promise<number> {
  const timeoutMs = apiTimeoutMs;
  if (certificate === undefined) return (await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })).status;
  return (await pinnedRequest(url, { method: "GET", headers: {}, body: undefined, timeoutMs, certificate })).status;
}

/** What the catalog says of agents, stores, services and their backups. */
export async function checkRecords(
  { db }: Catalog,
  { clouds, verification }: BtarConfiguration,
): Promise<readonly Finding[]> {
  const now = Date.now();
  const found: Finding[] = [];
  if ((await unfinishedRotation(db)) !== undefined) {
    const what = "its rotation is unfinished: a store lets the earlier one in, too";
    found.push(findingsOf("key").warning(what, "stop btar, and say `btar key rotate` again"));
  }
  const agents = await db.selectFrom("agent").selectAll().execute();
  const states = await db.selectFrom("cloud_state").selectAll().execute();
  for (const { name } of clouds) {
    const { ok, warning, error } = findingsOf("agent", name);
    const living = agents.filter((agent) => agent.cloud === name && now - agent.seen_at.getTime() < agentSilenceMs);
    const other = living.find(({ version }) => version !== btarVersion);
    if (living.length === 0) found.push(error("no agent of it works", `start btar, or \`btar agent --cloud ${name}\``));
    else if (other)
      found.push(warning(`the agent on ${other.host} is btar ${other.version}`, "update it, and restart it"));
    else found.push(ok(living.map(({ host, pid }) => `${host}, process ${pid}`).join("; ")));
    const state = states.find(({ cloud }) => cloud === name);
    if (living.length > 0 && state && !state.is_store_up) {
      found.push(error(`its store cannot be used by it: ${state.trouble ?? ""}`, "see the finding of that store"));
    }
  }
  return [...found, ...(await checkServices(db, now)), ...(await checkLocations(db, now, verification.intervalHours))];
}

async function checkServices(db: Catalog["db"], now: number): Promise<readonly Finding[]> {
  const services = await db.selectFrom("service").selectAll().where("deleted_at", "is", null).orderBy("name").execute();
  const newest = await db
    .selectFrom("base_backup")
    .select(({ fn }) => ["service_id", fn.max("completed_at").as("at")])
    .where("state", "=", "complete")
    .groupBy("service_id")
    .execute();
  return services.flatMap((service) => {
    const { warning } = findingsOf("service", service.name);
    const at = newest.find(({ service_id }) => service_id === service.id)?.at;
    const days = at ? (now - at.getTime()) / 86_400_000 : 0;
    return [
      ...troublesOf(service),
      ...(service.is_powered && days > longDays
        ? [warning(`its newest base backup is ${days.toFixed(1)} days old`, `btar backup create ${service.name}`)]
        : []),
    ];
  });
}

/** One that was rebuilt from a store is no failure, but work that is left. */
function troublesOf({ name, trouble, rebuilt_at }: Selectable<ServiceTable>): readonly Finding[] {
  const { warning, error } = findingsOf("service", name);
  if (trouble === null) return [];
  if (rebuilt_at === null) return [error(trouble, `btar status ${name}`)];
  const fix = `btar fork ${name} NEW --cloud CLOUD; when nothing of it is needed any more: btar service delete ${name}`;
  return [warning(trouble, fix)];
}

async function checkLocations(db: Catalog["db"], now: number, hours: number): Promise<readonly Finding[]> {
  const locations = await db
    .selectFrom("location")
    .innerJoin("service", "service.id", "location.service_id")
    .leftJoin("verification", (join) =>
      join
        .onRef("verification.service_id", "=", "location.service_id")
        .onRef("verification.cloud", "=", "location.cloud"),
    )
    .select([
      "service.name",
      "service.id",
      "service.rebuilt_at",
      "location.cloud",
      "location.trouble",
      "location.is_paused",
    ])
    .select(["location.created_at", "location.pause_reason", "verification.structure_at"])
    .where("service.deleted_at", "is", null)
    .where("location.state", "=", "active")
    .orderBy("service.name")
    .execute();
  const damaged = await db.selectFrom("damaged_object").selectAll().where("kind", "!=", "stray").execute();
  return locations.flatMap((location) => {
    const { name, cloud, structure_at: at, created_at: since } = location;
    const { warning, error } = findingsOf("backups", `${name} in ${cloud}`);
    const broken = damaged.filter((each) => each.service_id === location.id && each.cloud === cloud);
    const [first] = broken;
    const lateMs = 2 * hours * 3_600_000;
    const isLate = now - (at ?? since).getTime() > lateMs;
    return [
      ...(first
        ? [
            error(
              `${broken.length} objects are damaged: ${first.key}: ${first.what}`,
              "docs/runbook.md, A backup is damaged",
            ),
          ]
        : []),
      ...(location.trouble === null ? [] : [warning(location.trouble, `btar status ${name}`)]),
      ...(location.is_paused && location.rebuilt_at === null
        ? [
            warning(
              `copying is paused: ${location.pause_reason ?? ""}`,
              `btar location resume ${name} --cloud ${cloud}`,
            ),
          ]
        : []),
      ...(isLate
        ? [
            warning(
              `last verified ${at ? at.toISOString().slice(0, 16) : "never"}`,
              `btar verify ${name} --location ${cloud}`,
            ),
          ]
        : []),
    ];
  });
}

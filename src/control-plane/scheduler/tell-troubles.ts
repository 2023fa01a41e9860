import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import {
  forgetTrouble,
  type KnownTrouble,
  knownTroubles,
  noteTold,
  noteTrouble,
  type Trouble,
  troublesOf,
} from "../../catalog/troubles.ts";
import type { ControlPlaneContext } from "../context.ts";
import { cloudStates, namesOfDown } from "../status/cloud-states.ts";
import { troubleChanges } from "./trouble-changes.ts";

/** Tells of services, locations and jobs that stay in trouble, once each, and when services and locations are well again. */
export async function tellTroubles(context: ControlPlaneContext): Promise<void> {
  const { db } = context.catalog;
  const [troubles, known] = [await troublesOf(db), await knownTroubles(db)];
  if (troubles.length === 0 && known.size === 0) return;
  const now = context.clock.now();
  const down = namesOfDown(await cloudStates(context));
  const { begun, lasting, over } = troubleChanges(troubles, known, { down, now });
  for (const { subject } of begun) await noteTrouble(db, subject, now);
  for (const trouble of lasting) {
    await db.transaction().execute(async (trx) => {
      await noteTold(trx, trouble.subject, now);
      await recordEvent(trx, { project: trouble.project, service: serviceOf(trouble), ...eventOf(trouble) });
    });
  }
  for (const each of over) await db.transaction().execute((trx) => end(trx, each));
}

function serviceOf({ serviceId: id, serviceName: name }: Trouble) {
  return id === null || name === null ? undefined : { id, name };
}

function eventOf({ kind, serviceName, clouds, role, jobKind, trouble }: Trouble) {
  if (kind === "service") {
    return { kind: "service_trouble", severity: "error", message: `${serviceName} is in trouble: ${trouble}` } as const;
  }
  const [cloud] = clouds;
  if (kind === "job") {
    const about = serviceName === null ? `the job ${jobKind}` : `the job ${jobKind} of ${serviceName}`;
    return { kind: "job_trouble", severity: "warning", message: `${about} in ${cloud} waits: ${trouble}` } as const;
  }
  const message = `the backup of ${serviceName} in ${cloud} is in trouble: ${trouble}`;
  return { kind: "location_trouble", severity: role === "primary" ? "error" : "warning", message } as const;
}

async function end(trx: CatalogDatabase, { subject, told_at }: KnownTrouble): Promise<void> {
  await forgetTrouble(trx, subject);
  const [kind, id = "", cloud] = subject.split(" ");
  if (told_at === null || kind === "job") return; // how a job ends is told otherwise
  const service = await trx
    .selectFrom("service")
    .select(["id", "name", "project"])
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (!service) return;
  const what = cloud === undefined ? service.name : `the backup of ${service.name} in ${cloud}`;
  const message = `${what} is in no trouble any more`;
  await recordEvent(trx, { project: service.project, service, kind: "trouble_over", severity: "info", message });
}

import type { ControlPlaneContext } from "../context.ts";
import { type ProtectionFields, protectionsFields } from "./protection.ts";

/** What the loss of a cloud means for a service, as the API tells it (R1). */
export interface AffectedService {
  readonly service_name: string;
  /** Of its backup there. */
  readonly role: "primary" | "secondary";
  /** Other clouds that are up, and the newest time that each could restore; the newest first. */
  readonly restorable: { readonly cloud: string; readonly latest_at: string }[];
}

/**
 * Services whose backups are in a cloud, and from where each could be restored without it.
 * @param downClouds all that are down, it among them
 */
export function affectedBy(
  cloud: string,
  services: readonly Pick<ProtectionFields, "service_name" | "locations">[],
  downClouds: ReadonlySet<string>,
): AffectedService[] {
  return services.flatMap(({ service_name, locations }) => {
    const there = locations.find((location) => location.cloud === cloud);
    if (!there) return [];
    const restorable = locations.flatMap((location) => {
      if (downClouds.has(location.cloud) || !location.recovery_window) return [];
      return [{ cloud: location.cloud, latest_at: location.recovery_window.latest_at }];
    });
    restorable.sort((a, b) => (a.latest_at < b.latest_at ? 1 : -1));
    return [{ service_name, role: there.role, restorable }];
  });
}

const mostNamed = 5;

/** The same of a project's services in one line: a few by name, the others counted. Empty when there are none. */
export async function affectedText(
  context: ControlPlaneContext,
  where: { readonly project: string; readonly cloud: string; readonly downClouds: ReadonlySet<string> },
): Promise<string> {
  const { project, cloud, downClouds } = where;
  const rows = await context.catalog.db
    .selectFrom("service")
    .innerJoin("location", "location.service_id", "service.id")
    .selectAll("service")
    .where("service.project", "=", project)
    .where("service.deleted_at", "is", null)
    .where("location.cloud", "=", cloud)
    .orderBy("location.role")
    .orderBy("service.name")
    .execute();
  if (rows.length === 0) return "";
  const named = affectedBy(cloud, await protectionsFields(context, rows.slice(0, mostNamed)), downClouds);
  const others = rows.length - named.length;
  return [...named.map(describeAffected), ...(others > 0 ? [`and ${others} others`] : [])].join("; ");
}

function describeAffected({ service_name, role, restorable }: AffectedService): string {
  const what = role === "primary" ? "primary backup" : "copy";
  const [newest] = restorable;
  if (!newest) return `${service_name} (${what}) cannot be restored from anywhere else`;
  return `${service_name} (${what}) can be forked in ${newest.cloud} up to ${newest.latest_at}`;
}

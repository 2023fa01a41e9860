import { randomUUID } from "node:crypto";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.ts";
import { sealServiceSecrets, sealUserPassword } from "../../src/catalog/service-secrets.ts";
import { defaultDatabase } from "../../src/control-plane/services/insert-service.ts";
import { engineNames } from "../../src/domain/engine-name.ts";

export const [primary, secondary] = ["local-north", "local-south"] as const;

const [backupsEach, usersEach, samplesEach] = [3, 2, 120];
const hourMs = 3_600_000;
/** Rows are written in portions that one statement takes. */
const servicesAtOnce = 100;

export interface FleetOptions {
  readonly databaseUrl: string;
  readonly masterKey: Uint8Array;
  readonly project: string;
  readonly count: number;
}

/**
 * Fills a catalog with services as they are after three days with a second region: base backups in both clouds, log
 * without a gap, users, and an hour of samples. No server runs behind them.
 * @returns their names
 */
export async function insertFleet(options: FleetOptions): Promise<readonly string[]> {
  const { databaseUrl, count } = options;
  const catalog = await openCatalog(databaseUrl, {
    maxConnections: 2,
    applicationName: "bench",
    onError: (error) => {
      throw error;
    },
  });
  try {
    const services = Array.from({ length: count }, (_, index) => fleetService(index));
    for (let from = 0; from < count; from += servicesAtOnce) {
      await insertServices(catalog, services.slice(from, from + servicesAtOnce), options);
    }
    return services.map(({ name }) => name);
  } finally {
    await catalog.close();
  }
}

type FleetService = ReturnType<typeof fleetService>;

function fleetService(index: number) {
  const engine = engineNames[index % engineNames.length] ?? "pg";
  const name = `${engine}-${String(index).padStart(4, "0")}`;
  return { id: randomUUID(), name, engine, version: engine === "pg" ? "18" : "9.7", port: 20_000 + index };
}

async function insertServices(
  { db }: Catalog,
  services: readonly FleetService[],
  { masterKey, project }: FleetOptions,
): Promise<void> {
  const now = Date.now();
  const ago = (ms: number) => new Date(now - ms);
  await db
    .insertInto("service")
    .values(
      services.map(({ id, name, engine, version, port }) => ({
        ...{ id, name, engine, version, port, project, kind: "managed" as const, cloud: primary, plan: "startup-4" },
        user_config: JSON.stringify({ additional_backup_regions: [secondary], backup_retention_days: 7 }),
        ...{ state: "RUNNING" as const, maintenance: JSON.stringify({ dow: "never", time: "00:00:00" }) },
        ...{ tags: JSON.stringify({ team: name.slice(0, 2) }), disk_space_mb: 81_920, host: "127.0.0.1" },
        sealed_secrets: sealServiceSecrets(masterKey, id, {
          adminUser: "avnadmin",
          adminPassword: "not-a-password",
          internalPassword: "not-a-password",
        }),
        ...{ created_at: ago(72 * hourMs), updated_at: ago(72 * hourMs) },
      })),
    )
    .execute();
  await db
    .insertInto("service_user")
    .values(
      services.flatMap(({ id }) =>
        Array.from({ length: usersEach }, (_, at) => {
          const name = at === 0 ? "avnadmin" : `user${at}`;
          const sealed = sealUserPassword(masterKey, { serviceId: id, name }, "not-a-password");
          return { service_id: id, name, sealed_password: sealed, is_admin: at === 0, created_at: ago(72 * hourMs) };
        }),
      ),
    )
    .execute();
  await db
    .insertInto("service_database")
    .values(services.map(({ id }) => ({ service_id: id, name: defaultDatabase, created_at: ago(72 * hourMs) })))
    .execute();
  await insertBackups(db, services, ago);
}

async function insertBackups(
  db: Catalog["db"],
  services: readonly FleetService[],
  ago: (ms: number) => Date,
): Promise<void> {
  const places = services.flatMap(({ id }) => [
    { service_id: id, cloud: primary, role: "primary" as const },
    { service_id: id, cloud: secondary, role: "secondary" as const },
  ]);
  const position = (hours: number) => (0x1_0000_0000 - hours * 0x100_0000).toString(16).toUpperCase().padStart(16, "0");
  await db
    .insertInto("location")
    .values(
      places.map((place) => ({ ...place, state: "active" as const, created_at: new Date(), collected_at: new Date() })),
    )
    .execute();
  for (let at = 0; at < backupsEach; at += 1) {
    const hours = at * 24 + 1;
    const backupOf = (id: string) =>
      `${ago(hours * hourMs)
        .toISOString()
        .slice(0, 19)
        .replaceAll(":", "-")}Z-${id.slice(0, 8)}`;
    await db
      .insertInto("base_backup")
      .values(
        services.map(({ id }) => ({
          ...{
            id: backupOf(id),
            service_id: id,
            state: "complete" as const,
            reason: "schedule",
            engine_version: "18.4",
          },
          ...{ started_at: ago(hours * hourMs), consistent_at: ago(hours * hourMs - 60_000) },
          ...{ completed_at: ago(hours * hourMs - 60_000), log_stream: `${id}-00000001` },
          ...{ log_start: position(hours), log_end: position(hours - 0.1) },
          ...{ data_bytes: 3_000_000_000, stored_bytes: 900_000_000, file_count: 1200 },
        })),
      )
      .execute();
    await db
      .insertInto("backup_location")
      .values(
        places.map(({ service_id, cloud, role }) => ({
          ...{ backup_id: backupOf(service_id), service_id, cloud, role, state: "complete" as const },
          ...{ done_bytes: 900_000_000, total_bytes: 900_000_000, sent_bytes: 900_000_000 },
          ...{ started_at: ago(hours * hourMs), completed_at: ago(hours * hourMs - 60_000) },
        })),
      )
      .execute();
  }
  await db
    .insertInto("log_range")
    .values(
      places.map(({ service_id, cloud }) => ({
        ...{ service_id, cloud, stream: `${service_id}-00000001`, start_position: position(80) },
        ...{ end_position: position(0), newest_commit_micros: String(Date.now() * 1000), covered_until: new Date() },
        ...{ stored_at: new Date(), piece_count: 60_000, stored_bytes: 6_000_000_000 },
      })),
    )
    .execute();
  for (let at = 0; at < samplesEach; at += 10) {
    await db
      .insertInto("lag_sample")
      .values(
        services.flatMap(({ id }) =>
          Array.from({ length: 10 }, (_, next) => ({
            ...{ service_id: id, cloud: secondary, at: ago((at + next) * 30_000), lag_seconds: 1, rpo_seconds: 3 },
          })),
        ),
      )
      .execute();
  }
}

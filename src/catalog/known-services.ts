import { type Selectable, sql } from "kysely";
import { type BackupRecords, backupReaders, ofServices } from "./backup-records.ts";
import type { Catalog, CatalogDatabase } from "./catalog.ts";
import { KnownRows } from "./known-rows.ts";
import type { VerificationTable } from "./backup-tables.ts";
import type { ServiceDatabaseTable, ServiceTable, ServiceUserTable } from "./schema.ts";
import type { JobTable } from "./work-tables.ts";
import { buildingKinds, PartsOfMarks, serviceMarks } from "./service-marks.ts";

/** What the catalog's tables hold of a service, but for samples and what has ended. Shared: not to be changed. */
export interface KnownService extends BackupRecords {
  readonly service: Selectable<ServiceTable>;
  readonly users: readonly Selectable<ServiceUserTable>[];
  /** By name. */
  readonly databases: readonly Selectable<ServiceDatabaseTable>[];
  readonly verified: readonly Selectable<VerificationTable>[];
  /** Jobs that create, fork or change it now, the oldest first. */
  readonly openJobs: readonly Selectable<JobTable>[];
}

/** A service as paths name it. */
export interface ServiceName {
  readonly project: string;
  readonly service: string;
}

interface Entry {
  readonly mark: string;
  readonly known: KnownService;
}

/** Each takes some 10 kB. */
const mostServices = 5000;

/**
 * Services as they are in the catalog now. Their rows are kept; each time it is asked which versions of them there are,
 * and only what has changed is read again. So nobody is told what was read before it asked.
 */
export class KnownServices {
  readonly #db: CatalogDatabase;
  readonly #pool: Catalog["pool"];
  readonly #rows: ReturnType<typeof readers>;
  /** The one that was added first goes first. */
  readonly #entries = new Map<string, Entry>();
  readonly #ids = new Map<string, string>();

  constructor({ db, pool }: Pick<Catalog, "db" | "pool">) {
    this.#db = db;
    this.#pool = pool;
    this.#rows = readers(db);
  }

  /** @returns those that there are, deleted ones too, by id */
  async of(ids: readonly string[]): Promise<ReadonlyMap<string, KnownService>> {
    const marks = await serviceMarks(this.#pool, ids);
    const found = new Map<string, KnownService>();
    const changed = new Map<string, string>();
    for (const [id, mark] of marks) {
      const entry = this.#entries.get(id);
      if (entry?.mark === mark) found.set(id, entry.known);
      else changed.set(id, mark);
    }
    for (const [id, known] of await this.#read(changed)) {
      found.set(id, known);
      this.#keep(id, { mark: changed.get(id) ?? "", known });
    }
    return found;
  }

  /** Living services by name, in that order; undefined for each that is none. */
  async living(names: readonly ServiceName[]): Promise<readonly (KnownService | undefined)[]> {
    const found = await this.#livingOf(names, this.#ids);
    const others = names.filter((_, at) => !found[at]);
    if (others.length === 0) return found;
    const ofOthers = (await this.#livingOf(others, await this.#idsOf(others))).values();
    return found.map((known) => known ?? ofOthers.next().value);
  }

  /** The living services of a project, by name. */
  async ofProject(project: string): Promise<readonly KnownService[]> {
    const rows = await this.#db
      .selectFrom("service")
      .select("id")
      .where("project", "=", project)
      .where("deleted_at", "is", null)
      .orderBy("name")
      .execute();
    const known = await this.of(rows.map(({ id }) => id));
    return rows.flatMap(({ id }) => known.get(id) ?? []);
  }

  async #livingOf(
    names: readonly ServiceName[],
    idOf: ReadonlyMap<string, string>,
  ): Promise<readonly (KnownService | undefined)[]> {
    const ids = names.map((name) => idOf.get(keyOf(name)));
    const known = await this.of([...new Set(ids.filter((id) => id !== undefined))]);
    return ids.map((id) => {
      const one = id === undefined ? undefined : known.get(id);
      return one?.service.deleted_at === null ? one : undefined;
    });
  }

  async #idsOf(names: readonly ServiceName[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#db
      .selectFrom("service")
      .select(["id", "project", "name"])
      .where(sql<boolean>`project = any(${names.map(({ project }) => project)}::text[])`)
      .where(sql<boolean>`name = any(${names.map(({ service }) => service)}::text[])`)
      .where("deleted_at", "is", null)
      .execute();
    const found = new Map(rows.map(({ id, project, name }) => [keyOf({ project, service: name }), id]));
    if (this.#ids.size >= mostServices) this.#ids.clear();
    for (const [key, id] of found) this.#ids.set(key, id);
    return found;
  }

  async #read(marks: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, KnownService>> {
    if (marks.size === 0) return new Map();
    const parts = new PartsOfMarks(marks);
    const rows = this.#rows;
    const [services, users, databases, verified, openJobs] = await Promise.all([
      rows.service.of(parts.of("service")),
      rows.service_user.of(parts.of("service_user")),
      rows.service_database.of(parts.of("service_database")),
      rows.verification.of(parts.of("verification")),
      rows.job.of(parts.of("job")),
    ]);
    const [locations, backups, copies, logRanges, damaged] = await Promise.all([
      rows.location.of(parts.of("location")),
      rows.base_backup.of(parts.of("base_backup")),
      rows.backup_location.of(parts.of("backup_location")),
      rows.log_range.of(parts.of("log_range")),
      rows.damaged_object.of(parts.of("damaged_object")),
    ]);
    const known = new Map<string, KnownService>();
    for (const id of marks.keys()) {
      const [service] = services(id);
      if (!service) continue; // it was removed at this moment
      const ofService = { users: users(id), databases: databases(id), verified: verified(id), openJobs: openJobs(id) };
      const ofBackups = { locations: locations(id), backups: backups(id), copies: copies(id) };
      known.set(id, { service, ...ofService, ...ofBackups, logRanges: logRanges(id), damaged: damaged(id) });
    }
    return known;
  }

  #keep(id: string, entry: Entry): void {
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size >= mostServices && !this.#entries.has(id)) {
      this.#entries.delete(oldest);
      for (const rows of Object.values(this.#rows)) rows.forget(oldest);
    }
    this.#entries.set(id, entry);
  }
}

function keyOf({ project, service }: ServiceName): string {
  return `${project}/${service}`;
}

function readers(db: CatalogDatabase) {
  const ofService = ({ service_id }: { readonly service_id: string | null }) => service_id;
  const { locations, backups, copies, logRanges, damaged } = backupReaders(db);
  return {
    service: new KnownRows(
      async (ids) => await db.selectFrom("service").selectAll().where(sql<boolean>`id = any(${ids}::uuid[])`).execute(),
      ({ id }) => id,
    ),
    service_user: new KnownRows(
      async (ids) => await db.selectFrom("service_user").selectAll().where(ofServices(ids)).execute(),
      ofService,
    ),
    service_database: new KnownRows(
      async (ids) =>
        await db.selectFrom("service_database").selectAll().where(ofServices(ids)).orderBy("name").execute(),
      ofService,
    ),
    verification: new KnownRows(
      async (ids) => await db.selectFrom("verification").selectAll().where(ofServices(ids)).execute(),
      ofService,
    ),
    job: new KnownRows(
      async (ids) =>
        await db
          .selectFrom("job")
          .selectAll()
          .where(ofServices(ids))
          .where("kind", "in", buildingKinds)
          .where("state", "in", ["queued", "running", "waiting"])
          .orderBy("created_at")
          .execute(),
      ofService,
    ),
    location: new KnownRows(locations, ofService),
    base_backup: new KnownRows(backups, ofService),
    backup_location: new KnownRows(copies, ofService),
    log_range: new KnownRows(logRanges, ofService),
    damaged_object: new KnownRows(damaged, ofService),
  };
}

import type pg from "pg";

/** Tables that hold what belongs to a service; the key of each begins its rows' versions in a mark. */
const parts = {
  service: { letter: "a", serviceId: "id" },
  service_user: { letter: "b", serviceId: "service_id" },
  service_database: { letter: "c", serviceId: "service_id" },
  location: { letter: "d", serviceId: "service_id" },
  base_backup: { letter: "e", serviceId: "service_id" },
  backup_location: { letter: "f", serviceId: "service_id" },
  log_range: { letter: "g", serviceId: "service_id" },
  damaged_object: { letter: "h", serviceId: "service_id" },
  verification: { letter: "i", serviceId: "service_id" },
  job: { letter: "j", serviceId: "service_id" },
} as const;

export type ServicePart = keyof typeof parts;

/** Jobs that belong to what a service is: those that create, fork or change it now. */
export const buildingKinds = ["provision", "fork", "apply"] as const;
const buildingJobs = `kind in (${buildingKinds.map((kind) => `'${kind}'`).join(", ")})
  and state in ('queued', 'running', 'waiting')`;

/**
 * Where a row lies, and which transaction wrote it (`ctid`, `xmin`): together they are of one version of one row. A version that
 * is gone never comes back, so equal marks stand for equal rows.
 * @see https://www.postgresql.org/docs/current/ddl-system-columns.html
 */
const versions = Object.entries(parts).map(
  ([table, { letter, serviceId }]) =>
    `select ${serviceId} as id, '${letter}' || ctid::text || xmin::text as version from ${table}
     where ${serviceId} = any($1::uuid[])${table === "job" ? ` and ${buildingJobs}` : ""}`,
);
const text = `select id, string_agg(version, '') as mark from (${versions.join(" union all ")}) as row group by id`;

/** @returns what stands for all rows of a service, by its id; without those of which there is none */
export async function serviceMarks(pool: pg.Pool, serviceIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (serviceIds.length === 0) return new Map();
  const { rows } = await pool.query<[string, string]>({
    // Planned once for each connection: it is asked all the time.
    ...{ name: "service-marks", text, rowMode: "array" },
    values: [serviceIds],
  });
  return new Map(rows);
}

/** The parts of the marks: of each table by service, empty where it has no rows. */
export class PartsOfMarks {
  readonly #marks = new Map<string, Map<string, string>>();

  constructor(marks: ReadonlyMap<string, string>) {
    for (const [id, mark] of marks) {
      for (const [version, letter = ""] of mark.matchAll(/([a-j])[^a-j]+/g)) {
        const ofPart = this.#marks.get(letter) ?? new Map<string, string>();
        this.#marks.set(letter, ofPart);
        ofPart.set(id, (ofPart.get(id) ?? "") + version);
      }
    }
  }

  of(part: ServicePart): ReadonlyMap<string, string> {
    return this.#marks.get(parts[part].letter) ?? new Map();
  }
}

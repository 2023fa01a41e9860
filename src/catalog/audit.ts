import { type Selectable, sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import type { AuditTable } from "./schema.ts";

export type AuditEntry = Selectable<AuditTable>;

/** What somebody asks for. */
export interface AuditContent {
  /** E-mail; null for somebody who could not log in. */
  readonly actor: string | null;
  readonly tokenPrefix: string | null;
  /** IP address. */
  readonly address: string;
  readonly method: string;
  /** As the table of roles names it: `/v1/project/:project`. */
  readonly route: string;
  readonly project: string | null;
  readonly service: string | null;
  /** For people; without secrets. */
  readonly summary: string;
  readonly requestId: string;
}

/** What came of it. */
export interface AuditOutcome {
  /** Of HTTP. */
  readonly status: number;
  readonly errorCode: string | null;
}

/**
 * Writes an entry.
 * @param outcome undefined while it is not known: added later, once
 * @returns its number
 */
export async function writeAudit(db: CatalogDatabase, entry: AuditContent, outcome?: AuditOutcome): Promise<number> {
  const { id } = await db
    .insertInto("audit")
    .values({
      actor: entry.actor,
      token_prefix: entry.tokenPrefix,
      address: entry.address,
      method: entry.method,
      route: entry.route,
      project: entry.project,
      service: entry.service,
      summary: entry.summary,
      request_id: entry.requestId,
      status: outcome?.status ?? null,
      error_code: outcome?.errorCode ?? null,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return id;
}

export async function addAuditOutcome(
  db: CatalogDatabase,
  id: number,
  { status, errorCode }: AuditOutcome,
): Promise<void> {
  await db.updateTable("audit").set({ status, error_code: errorCode }).where("id", "=", id).execute();
}

/** Which entries. */
export interface AuditFilter {
  /** Undefined: of all, and of none. */
  readonly project: string | undefined;
  readonly service: string | undefined;
  /** E-mail, in lower case. */
  readonly actor: string | undefined;
  readonly since: Date | undefined;
  /** Before it. */
  readonly until: Date | undefined;
  /** Those that were refused or have failed, or of which nothing is known. */
  readonly isFailedOnly: boolean;
}

/** A page: the entries before a number, newest first, or those after one, oldest first. */
export type AuditPage =
  | { readonly before: number | undefined; readonly limit: number }
  | { readonly after: number; readonly limit: number };

export async function readAudit(
  db: CatalogDatabase,
  filter: AuditFilter,
  page: AuditPage,
): Promise<readonly AuditEntry[]> {
  const { project, service, actor, since, until, isFailedOnly } = filter;
  let query = db.selectFrom("audit").selectAll().limit(page.limit);
  if (project !== undefined) query = query.where("project", "=", project);
  if (service !== undefined) query = query.where("service", "=", service);
  if (actor !== undefined) query = query.where("actor", "=", actor);
  if (since !== undefined) query = query.where("at", ">=", since);
  if (until !== undefined) query = query.where("at", "<", until);
  if (isFailedOnly) query = query.where((eb) => eb.or([eb("status", "is", null), eb("status", ">=", 400)]));
  if ("after" in page) return await query.where("id", ">", page.after).orderBy("id").execute();
  if (page.before !== undefined) query = query.where("id", "<", page.before);
  return await query.orderBy("id", "desc").execute();
}

/** The database keeps what is younger than 30 days, whatever is asked for. */
export async function expireAudit(db: CatalogDatabase, before: Date): Promise<void> {
  await sql`delete from audit where at < ${before} and at < now() - interval '30 days'`.execute(db);
}

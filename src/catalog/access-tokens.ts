import { createHash, randomBytes } from "node:crypto";
import { CompiledQuery, type Selectable } from "kysely";
import type pg from "pg";
import type { ProjectRole } from "../domain/roles.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { AccessTokenTable } from "./schema.ts";

const prefixLength = 12;
const maxUserAgent = 256;

/** A token just made; its text is shown once. */
export interface NewAccessToken {
  readonly text: string;
  readonly row: Selectable<AccessTokenTable>;
}

/** A token, and what its person may do. */
export interface PersonalToken extends Selectable<AccessTokenTable> {
  readonly is_super_admin: boolean;
  /** Roles of the person by project. */
  readonly roles: Readonly<Record<string, ProjectRole>>;
}

/** Makes a token; only its SHA-256 is stored. */
export async function createAccessToken(
  db: CatalogDatabase,
  options: {
    readonly userEmail: string;
    readonly description: string;
    readonly maxAgeSeconds: number | null;
    readonly extendWhenUsed: boolean;
    /** False for one that a login makes; true by default. */
    readonly isManual?: boolean;
    /** It may do no more than this role, … */
    readonly role?: ProjectRole | undefined;
    /** … and only there. */
    readonly project?: string | undefined;
    readonly now: Date;
    /** The text, when the operator chose it; a random one otherwise. */
    readonly text?: string;
  },
): Promise<NewAccessToken> {
  const text = options.text ?? randomText();
  const { maxAgeSeconds, now } = options;
  const row = await db
    .insertInto("access_token")
    .values({
      // Of a text that an operator chose, the prefix must not give half away.
      prefix: (options.text === undefined ? text : hash(text)).slice(0, prefixLength),
      sha256: hash(text),
      user_email: options.userEmail,
      description: options.description,
      created_at: now,
      expires_at: maxAgeSeconds === null ? null : new Date(now.getTime() + maxAgeSeconds * 1000),
      max_age_seconds: maxAgeSeconds,
      extend_when_used: options.extendWhenUsed,
      created_manually: options.isManual ?? true,
      role: options.role ?? null,
      project: options.project ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return { text, row };
}

/** Its prefix goes into paths, which not every client escapes. */
function randomText(): string {
  for (;;) {
    const text = randomBytes(32).toString("base64");
    if (!/[+/]/.test(text.slice(0, prefixLength))) return text;
  }
}

/** $1: SHA-256 of the texts. */
const tokensQuery = `
  select access_token.*, person.is_super_admin, coalesce((select jsonb_object_agg(project, role) from project_member
    where person_id = person.id), '{}') as roles
  from access_token join person on person.email = access_token.user_email where sha256 = any($1::text[])`;

/** Finds a token by its text; expired ones too. */
export async function findAccessToken(db: CatalogDatabase, text: string): Promise<PersonalToken | undefined> {
  const { rows } = await db.executeQuery<PersonalToken>(CompiledQuery.raw(tokensQuery, [[hash(text)]]));
  return rows[0];
}

/** Finds tokens by their texts, in that order; expired ones too, undefined for those that are none. */
export async function findAccessTokens(
  pool: pg.Pool,
  texts: readonly string[],
): Promise<readonly (PersonalToken | undefined)[]> {
  const hashes = texts.map(hash);
  // Each request asks this: it is planned once for each connection.
  const query = { name: "access-tokens", text: tokensQuery, values: [[...new Set(hashes)]] };
  const { rows } = await pool.query<PersonalToken>(query);
  const byHash = new Map(rows.map((row) => [row.sha256, row]));
  return hashes.map((sha256) => byHash.get(sha256));
}

/** What has become of a token meanwhile, and of what its person may do; undefined once it is revoked. */
export async function reloadAccessToken(
  db: CatalogDatabase,
  { sha256 }: Pick<PersonalToken, "sha256">,
): Promise<PersonalToken | undefined> {
  const { rows } = await db.executeQuery<PersonalToken>(CompiledQuery.raw(tokensQuery, [[sha256]]));
  return rows[0];
}

/** Notes that a token was used; at most once a minute, so that reading the API does not write each time. */
export async function touchAccessToken(
  db: CatalogDatabase,
  token: Selectable<AccessTokenTable>,
  use: { readonly ip: string; readonly userAgent: string | undefined; readonly now: Date },
): Promise<void> {
  const now = use.now.getTime();
  if (token.last_used_at && now - token.last_used_at.getTime() < 60_000) return;
  const extended =
    token.extend_when_used && token.max_age_seconds !== null
      ? { expires_at: new Date(now + token.max_age_seconds * 1000) }
      : {};
  await db
    .updateTable("access_token")
    .set({
      last_used_at: use.now,
      last_ip: use.ip,
      last_user_agent: use.userAgent?.slice(0, maxUserAgent) ?? null,
      ...extended,
    })
    .where("prefix", "=", token.prefix)
    .execute();
}

/**
 * Says anew what a token of a user is for.
 * @param token.prefixOrText its prefix, or its whole text
 * @returns undefined when there is none
 */
export async function describeAccessToken(
  db: CatalogDatabase,
  token: { readonly userEmail: string; readonly prefixOrText: string; readonly description: string },
): Promise<Selectable<AccessTokenTable> | undefined> {
  const { userEmail, prefixOrText, description } = token;
  return await db
    .updateTable("access_token")
    .set({ description })
    .where("user_email", "=", userEmail)
    .where((eb) => eb.or([eb("prefix", "=", prefixOrText), eb("sha256", "=", hash(prefixOrText))]))
    .returningAll()
    .executeTakeFirst();
}

/** Removes a token of a user, named by its prefix or its whole text. */
export async function revokeAccessToken(
  db: CatalogDatabase,
  token: { readonly userEmail: string; readonly prefixOrText: string },
): Promise<boolean> {
  const { userEmail, prefixOrText } = token;
  const result = await db
    .deleteFrom("access_token")
    .where("user_email", "=", userEmail)
    .where((eb) => eb.or([eb("prefix", "=", prefixOrText), eb("sha256", "=", hash(prefixOrText))]))
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

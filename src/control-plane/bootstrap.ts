import { sql } from "kysely";
import { createAccessToken, findAccessToken } from "../catalog/access-tokens.ts";
import type { Catalog, CatalogDatabase } from "../catalog/catalog.ts";
import { changePerson, findPerson, insertPerson, type Person } from "../catalog/people.ts";
import { openAuthorityKey } from "../catalog/service-secrets.ts";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { hashPassword, isPasswordOf } from "../platform/password-hash.ts";
import { insertProject } from "../catalog/insert-project.ts";

/** Who the first token belongs to. */
export const adminEmail = "admin@btar.local";

/** Of several servers that start at once, one does this at a time; the number is btar's own. */
const bootstrapLock = 4_201_973;

/** The first administrator's password. */
export interface AdminPassword {
  readonly text: string;
  /** The operator chose it: it holds from now on. Otherwise it is taken when there is none yet. */
  readonly isChosen: boolean;
}

/**
 * Makes the project of the configuration, the first administrator and an admin token, if they are not there yet.
 * @param options.adminToken the token that the operator chose, which holds from now on; if undefined, a random one is
 *   made when there is no token at all
 * @param options.adminPassword without it, nobody can log in as the first administrator until one is set
 * @returns the token's text when it was made now, which is not known later, and whether the password is taken now
 * @throws {BtarError} KEY_UNAVAILABLE when the catalog was made with another master key
 */
export async function bootstrap(
  catalog: Catalog,
  options: {
    readonly configuration: BtarConfiguration;
    readonly masterKey: Uint8Array;
    readonly adminToken: string | undefined;
    readonly adminPassword?: AdminPassword | undefined;
  },
): Promise<{ readonly newAdminToken: string | undefined; readonly isPasswordTaken: boolean }> {
  const { configuration, masterKey, adminToken, adminPassword } = options;
  return await catalog.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${bootstrapLock})`.execute(trx);
    const projects = await trx.selectFrom("project").selectAll().execute();
    // A wrong key would otherwise be found out at the first secret, in the middle of somebody's request.
    for (const { name, sealed_ca_key } of projects) openAuthorityKey(masterKey, name, sealed_ca_key);
    if (!projects.some(({ name }) => name === configuration.project)) {
      const { project: name, clouds } = configuration;
      const defaultCloud = clouds[0]?.name ?? "";
      await insertProject(trx, { name, defaultCloud, tags: {}, now: new Date() }, masterKey);
    }
    const admin =
      (await findPerson(trx, adminEmail)) ??
      (await insertPerson(trx, {
        email: adminEmail,
        realName: "btar administrator",
        passwordHash: null,
        isSuperAdmin: true,
      }));
    const isPasswordTaken = adminPassword !== undefined && (await takePassword(trx, admin, adminPassword));
    return { newAdminToken: await ensureToken(trx, admin, adminToken), isPasswordTaken };
  });
}

async function takePassword(trx: CatalogDatabase, admin: Person, { text, isChosen }: AdminPassword): Promise<boolean> {
  const { password_hash: hash } = admin;
  if (hash !== null && (!isChosen || (await isPasswordOf(hash, text)))) return false;
  await changePerson(trx, admin, { passwordHash: await hashPassword(text) });
  return true;
}

async function ensureToken(
  trx: CatalogDatabase,
  admin: Person,
  wanted: string | undefined,
): Promise<string | undefined> {
  if (admin.state === "disabled") return undefined;
  const isThere =
    wanted === undefined
      ? (await trx.selectFrom("access_token").select("prefix").limit(1).executeTakeFirst()) !== undefined
      : (await findAccessToken(trx, wanted)) !== undefined;
  if (isThere) return undefined;
  const made = await createAccessToken(trx, {
    userEmail: admin.email,
    description: "first administrator: BTAR_ADMIN_TOKEN, or the file admin-token",
    maxAgeSeconds: null,
    extendWhenUsed: false,
    now: new Date(),
    ...(wanted === undefined ? {} : { text: wanted }),
  });
  return made.text;
}

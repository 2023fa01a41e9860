import { sql } from "kysely";
import { createAccessToken, findAccessToken } from "../catalog/access-tokens.ts";
import type { Catalog, CatalogDatabase } from "../catalog/catalog.ts";
import { openAuthorityKey, sealAuthorityKey } from "../catalog/service-secrets.ts";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { createAuthority } from "../platform/certificates.ts";

/** Who the first token belongs to. */
export const adminEmail = "admin@btar.local";

/** Of several servers that start at once, one does this at a time; the number is btar's own. */
const bootstrapLock = 4_201_973;

/**
 * Makes the project of the configuration and an admin token, if they are not there yet.
 * @param options.adminToken the token that the operator chose, which holds from now on; if undefined, a random one is
 *   made when there is no token at all
 * @returns the token's text when it was made now; it is not known later
 * @throws {BtarError} KEY_UNAVAILABLE when the catalog was made with another master key
 */
export async function bootstrap(
  catalog: Catalog,
  options: {
    readonly configuration: BtarConfiguration;
    readonly masterKey: Uint8Array;
    readonly adminToken: string | undefined;
  },
): Promise<{ readonly newAdminToken: string | undefined }> {
  const { configuration, masterKey, adminToken } = options;
  return await catalog.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${bootstrapLock})`.execute(trx);
    const projects = await trx.selectFrom("project").selectAll().execute();
    // A wrong key would otherwise be found out at the first secret, in the middle of somebody's request.
    for (const { name, sealed_ca_key } of projects) openAuthorityKey(masterKey, name, sealed_ca_key);
    if (!projects.some(({ name }) => name === configuration.project)) {
      await insertProject(trx, configuration, masterKey);
    }
    return { newAdminToken: await ensureToken(trx, adminToken) };
  });
}

async function insertProject(
  trx: CatalogDatabase,
  { project, clouds }: BtarConfiguration,
  masterKey: Uint8Array,
): Promise<void> {
  const authority = createAuthority(`${project} project CA`);
  await trx
    .insertInto("project")
    .values({
      name: project,
      default_cloud: clouds[0]?.name ?? "",
      ca_certificate: authority.certificate,
      sealed_ca_key: sealAuthorityKey(masterKey, project, authority.privateKey),
      tags: "{}",
      created_at: new Date(),
    })
    .execute();
}

async function ensureToken(trx: CatalogDatabase, wanted: string | undefined): Promise<string | undefined> {
  const isThere =
    wanted === undefined
      ? (await trx.selectFrom("access_token").select("prefix").limit(1).executeTakeFirst()) !== undefined
      : (await findAccessToken(trx, wanted)) !== undefined;
  if (isThere) return undefined;
  const made = await createAccessToken(trx, {
    userEmail: adminEmail,
    description: wanted === undefined ? "first administrator" : "administrator, chosen by the operator",
    maxAgeSeconds: null,
    extendWhenUsed: false,
    now: new Date(),
    ...(wanted === undefined ? {} : { text: wanted }),
  });
  return made.text;
}

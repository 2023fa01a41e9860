import type { CatalogDatabase } from "./catalog.ts";
import { sealAuthorityKey } from "./service-secrets.ts";
import { BtarError } from "../domain/errors.ts";
import { createAuthority } from "../platform/certificates.ts";

/**
 * Makes a project, with its own authority for the certificates of managed servers.
 * @throws {BtarError} ALREADY_EXISTS, in words that clients look for
 */
export async function insertProject(
  db: CatalogDatabase,
  project: {
    readonly name: string;
    readonly defaultCloud: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly now: Date;
  },
  masterKey: Uint8Array,
): Promise<void> {
  const { name, defaultCloud, tags, now } = project;
  const authority = createAuthority(`${name} project CA`);
  const inserted = await db
    .insertInto("project")
    .values({
      name,
      default_cloud: defaultCloud,
      ca_certificate: authority.certificate,
      sealed_ca_key: sealAuthorityKey(masterKey, name, authority.privateKey),
      tags: JSON.stringify(tags),
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("name")
    .executeTakeFirst();
  if (!inserted) throw new BtarError("ALREADY_EXISTS", { message: `Project name '${name}' already exists` });
}

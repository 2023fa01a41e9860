import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import { BtarError } from "../domain/errors.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { PersonState, PersonTable } from "./schema.ts";

export type Person = Selectable<PersonTable>;

/** @param email in any case of letters */
export async function findPerson(db: CatalogDatabase, email: string): Promise<Person | undefined> {
  return await db.selectFrom("person").selectAll().where("email", "=", email.toLowerCase()).executeTakeFirst();
}

/** @throws {BtarError} NOT_FOUND */
export async function requirePerson(db: CatalogDatabase, email: string): Promise<Person> {
  const person = await findPerson(db, email);
  if (person) return person;
  throw new BtarError("NOT_FOUND", { message: `There is no user ${email.toLowerCase()}` });
}

/** @throws {BtarError} ALREADY_EXISTS */
export async function insertPerson(
  db: CatalogDatabase,
  person: {
    readonly email: string;
    readonly realName: string;
    readonly passwordHash: string | null;
    /** False by default. */
    readonly isSuperAdmin?: boolean | undefined;
  },
): Promise<Person> {
  const email = person.email.toLowerCase();
  const row = await db
    .insertInto("person")
    .values({
      ...{ id: randomUUID(), email, real_name: person.realName, password_hash: person.passwordHash },
      is_super_admin: person.isSuperAdmin ?? false,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row) return row;
  throw new BtarError("ALREADY_EXISTS", { message: `User ${email} already exists` });
}

/**
 * Changes a person. With a new password, and for one who is disabled, what logins have given is taken back: tokens of
 * logins, and of one who is disabled all.
 * @param keptToken prefix of a token that stays
 */
export async function changePerson(
  db: CatalogDatabase,
  person: Person,
  change: {
    readonly realName?: string | undefined;
    readonly passwordHash?: string | undefined;
    readonly state?: PersonState | undefined;
    readonly isSuperAdmin?: boolean | undefined;
  },
  keptToken?: string,
): Promise<void> {
  const { realName, passwordHash, state, isSuperAdmin } = change;
  await db
    .updateTable("person")
    .set({
      real_name: realName ?? person.real_name,
      password_hash: passwordHash ?? person.password_hash,
      state: state ?? person.state,
      is_super_admin: isSuperAdmin ?? person.is_super_admin,
    })
    .where("id", "=", person.id)
    .execute();
  const isDisabled = (state ?? person.state) === "disabled";
  if (passwordHash === undefined && !isDisabled) return;
  await db
    .deleteFrom("access_token")
    .where("user_email", "=", person.email)
    .where("prefix", "!=", keptToken ?? "")
    .where((eb) => (isDisabled ? eb.lit(true) : eb("created_manually", "=", false)))
    .execute();
}

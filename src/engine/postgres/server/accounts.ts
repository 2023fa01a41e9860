import pg from "pg";
import { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { sqlStateOf } from "../server-error.ts";
import { SqlSession } from "../session.ts";
import { scramVerifier } from "./scram.ts";

const { escapeIdentifier, escapeLiteral } = pg;

const duplicateObject = "42710";
const duplicateDatabase = "42P04";
const protectedDatabases = ["postgres", "template0", "template1"];

/** The description by which administrators are known in a server, so that they can be given charge of users. */
const adminDescription = "btar: administrator of this service";

/** Roles of PostgreSQL's that administrators have, with the version that brought them. */
const adminRoles = [
  { name: "pg_monitor", since: 14 },
  { name: "pg_signal_backend", since: 14 },
  { name: "pg_read_all_data", since: 14 },
  { name: "pg_write_all_data", since: 14 },
  { name: "pg_checkpoint", since: 15 },
  { name: "pg_maintain", since: 17 },
] as const;

/**
 * Before version 16 a role with CREATEROLE could make itself a member of pg_execute_server_program, and so run
 * programs on the host: administrators of those versions have their users made by btar instead.
 */
const firstSafeCreateRole = 16;

/** Roles that can log in and databases, without PostgreSQL's and btar's own. */
export async function listAccounts(
  address: ServerAddress,
): Promise<{ readonly users: readonly string[]; readonly databases: readonly string[] }> {
  await using session = await open(address);
  const users = await session.query(
    "select rolname as name from pg_roles where rolcanlogin and rolname <> $1 and rolname !~ '^pg_' order by 1",
    [address.user],
  );
  // A managed server's `postgres` belongs to btar's own account; elsewhere it may hold people's data.
  const databases = await session.query(
    `select datname as name from pg_database
     where not datistemplate and not (datname = 'postgres' and pg_get_userbyid(datdba) = $1) order by 1`,
    [address.user],
  );
  return { users: names(users), databases: names(databases) };
}

/**
 * Makes a user, or gives an existing one the password (and, as administrator, the rights).
 * @throws {BtarError} INVALID_NAME, INVALID_INPUT (the password), SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function putUser(
  address: ServerAddress,
  user: { readonly name: string; readonly password: string; readonly isAdmin: boolean },
): Promise<void> {
  refuseProtectedUser(address, user.name);
  const name = escapeIdentifier(user.name);
  const password = escapeLiteral(scramVerifier(user.password));
  await using session = await open(address);
  if (!(await roleOid(session, user.name))) {
    await unlessSqlState(duplicateObject, () => session.query(`create role ${name}`));
  }
  const version = await majorVersionOf(session);
  const creating = version >= firstSafeCreateRole ? "createrole createdb" : "createdb";
  await session.query(`alter role ${name} login nosuperuser ${user.isAdmin ? creating : ""} password ${password}`);
  if (user.isAdmin) {
    const granted = adminRoles.filter((role) => role.since <= version).map((role) => role.name);
    await session.query(`grant ${granted.join(", ")} to ${name}`);
    await session.query(`comment on role ${name} is ${escapeLiteral(adminDescription)}`);
  }
  await putAdminsInCharge(session);
}

/**
 * Removes a user, with the rights it was given; absent is fine. Its sessions are ended.
 * @throws {BtarError} INVALID_NAME, WRONG_STATE when it owns something
 */
export async function dropUser(address: ServerAddress, name: string): Promise<void> {
  refuseProtectedUser(address, name);
  await using session = await open(address);
  const oid = await roleOid(session, name);
  if (!oid) return;
  await refuseOwner(session, name, oid);
  // Rights on the objects of a database can only be taken away in that database.
  for (const database of await databasesWithRights(session, oid)) {
    await using inDatabase = await open({ ...address, database });
    await inDatabase.query(`drop owned by ${escapeIdentifier(name)}`);
  }
  await session.query(`drop owned by ${escapeIdentifier(name)}`);
  await session.query(`drop role if exists ${escapeIdentifier(name)}`);
  await session.query("select pg_terminate_backend(pid) from pg_stat_activity where usesysid = $1::oid", [oid]);
}

/**
 * Makes a database; one that exists is left as it is. It is made of template0: sessions in template1 would stop it.
 * @throws {BtarError} INVALID_NAME, SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function createDatabase(
  address: ServerAddress,
  database: { readonly name: string; readonly owner: string },
): Promise<void> {
  refuseProtectedDatabase(database.name);
  const [name, owner] = [escapeIdentifier(database.name), escapeIdentifier(database.owner)];
  await using session = await open(address);
  const found = await session.query("select from pg_database where datname = $1", [database.name]);
  if (found.length > 0) return;
  await unlessSqlState(duplicateDatabase, () =>
    session.query(`create database ${name} owner ${owner} template template0`),
  );
}

/**
 * Removes a database with all in it, ending its sessions; absent is fine.
 * @throws {BtarError} INVALID_NAME, SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function dropDatabase(address: ServerAddress, name: string): Promise<void> {
  refuseProtectedDatabase(name);
  await using session = await open(address);
  await session.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
}

/** Administrators can grant, and take over what belongs to, every user of the service that is not above them. */
async function putAdminsInCharge(session: SqlSession): Promise<void> {
  const missing = await session.query(
    `select admin.rolname as admin, other.rolname as other from pg_roles admin, pg_roles other
     where shobj_description(admin.oid, 'pg_authid') = $1 and not admin.rolsuper
       and other.rolcanlogin and not other.rolsuper and other.oid <> admin.oid
       and not pg_has_role(admin.oid, other.oid, 'member') and not pg_has_role(other.oid, admin.oid, 'member')`,
    [adminDescription],
  );
  for (const { admin, other } of missing) {
    if (admin == null || other == null) continue;
    await session.query(`grant ${escapeIdentifier(other)} to ${escapeIdentifier(admin)} with admin option`);
  }
}

/** What a user owns could only go to one with other rights, who would then run its code: the owner must decide. */
async function refuseOwner(session: SqlSession, name: string, oid: string): Promise<void> {
  const owned = await session.query(
    `select coalesce(d.datname, 'database ' || o.datname, 'shared objects') as place, count(*) as objects
     from pg_shdepend s
     left join pg_database d on d.oid = s.dbid
     left join pg_database o on s.classid = 'pg_database'::regclass and o.oid = s.objid
     where s.refclassid = 'pg_authid'::regclass and s.deptype = 'o'
       and s.refobjid = $1::oid
     group by 1 order by 1`,
    [oid],
  );
  if (owned.length === 0) return;
  const places = owned.map(({ place, objects }) => `${place} (${objects})`).join(", ");
  throw new BtarError("WRONG_STATE", {
    message: `user ${name} owns objects: ${places}`,
    hint: `in each of these databases, as the administrator: REASSIGN OWNED BY ${escapeIdentifier(name)} TO CURRENT_USER`,
    details: { user: name },
  });
}

async function databasesWithRights(session: SqlSession, oid: string): Promise<readonly string[]> {
  const rows = await session.query(
    `select distinct d.datname as name from pg_shdepend s join pg_database d on d.oid = s.dbid
     where s.refclassid = 'pg_authid'::regclass and d.datallowconn
       and s.refobjid = $1::oid order by 1`,
    [oid],
  );
  return names(rows);
}

async function roleOid(session: SqlSession, name: string): Promise<string | undefined> {
  const [row] = await session.query("select oid from pg_roles where rolname = $1", [name]);
  return row?.oid ?? undefined;
}

async function open(address: ServerAddress): Promise<SqlSession> {
  return await SqlSession.open(address, { signal: new AbortController().signal });
}

async function majorVersionOf(session: SqlSession): Promise<number> {
  const [row] = await session.query("select current_setting('server_version_num')::int / 10000 as version");
  return Number(row?.version);
}

async function unlessSqlState(expected: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (sqlStateOf(error) !== expected) throw error;
  }
}

function names(rows: readonly Readonly<Record<string, string | null>>[]): readonly string[] {
  return rows.flatMap((row) => row.name ?? []);
}

function refuseProtectedUser(address: ServerAddress, name: string): void {
  refuseBadName("user", name);
  if (name === address.user || name === "postgres" || name.startsWith("pg_")) throw reserved("user", name);
}

function refuseProtectedDatabase(name: string): void {
  refuseBadName("database", name);
  if (protectedDatabases.includes(name)) throw reserved("database", name);
}

/** PostgreSQL would cut longer names without saying so. */
function refuseBadName(kind: string, name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes >= 1 && bytes <= 63 && !name.includes("\0")) return;
  throw new BtarError("INVALID_NAME", {
    message: `${JSON.stringify(name)} cannot be the name of a ${kind}`,
    hint: "PostgreSQL takes names of 1 to 63 bytes",
  });
}

function reserved(kind: string, name: string): BtarError {
  return new BtarError("INVALID_NAME", {
    message: `the ${kind} name ${name} is reserved`,
    hint: "choose another name; those of btar's and PostgreSQL's own cannot be made, changed or dropped",
  });
}

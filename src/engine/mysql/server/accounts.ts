import mysql from "mysql2";
import { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import { errnoOf } from "../server-error.ts";
import { grantAdministration } from "./admin-rights.ts";

const ownDatabases = ["information_schema", "mysql", "performance_schema", "sys"];

/** From anywhere: who may connect is decided by networks, see host-access.ts. */
const anyHost = "%";

const maxUserCharacters = 32;
const maxDatabaseCharacters = 64;
const maxPasswordBytes = 256;

/** KILL of a session that has ended by itself. */
const noSuchThread = 1094;
/** REVOKE of what somebody else has revoked already. */
const noSuchGrant = 1141;

/** A user's name at a host: MySQL's own notion of an account. */
interface Account {
  readonly user: string;
  readonly host: string;
}

/** Users that can log in and databases, without MySQL's and btar's own. */
export async function listAccounts(
  address: ServerAddress,
): Promise<{ readonly users: readonly string[]; readonly databases: readonly string[] }> {
  await using connection = await open(address);
  // A role is a user that is locked and has no password, which has expired.
  const users = await connection.query(
    `SELECT DISTINCT user AS name FROM mysql.user
     WHERE user NOT IN ('', ?) AND user NOT LIKE 'mysql.%'
       AND NOT (account_locked = 'Y' AND password_expired = 'Y' AND authentication_string = '')
     ORDER BY 1`,
    [address.user],
  );
  const databases = await connection.query("SELECT schema_name AS name FROM information_schema.schemata ORDER BY 1");
  return { users: names(users), databases: names(databases).filter((name) => !ownDatabases.includes(name)) };
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
  refuseBadPassword(user);
  await using connection = await open(address);
  const found = await accountsOf(connection, user.name);
  const accounts = found.length > 0 ? found : [{ user: user.name, host: anyHost }];
  for (const account of accounts) {
    // Nobody logs in before the account has all its rights, and none that it should not have.
    await connection.query(`CREATE USER IF NOT EXISTS ${quoted(account)} ACCOUNT LOCK`);
    if (user.isAdmin) await grantAdministration(connection, quoted(account));
    const secret = mysql.format("IDENTIFIED WITH caching_sha2_password BY ?", [user.password]);
    await connection.query(`ALTER USER ${quoted(account)} ${secret} ACCOUNT UNLOCK`);
  }
}

/**
 * Removes a user, with the rights it was given; absent is fine. Its sessions are ended.
 * @throws {BtarError} INVALID_NAME, WRONG_STATE when views or programs run in its name
 */
export async function dropUser(address: ServerAddress, name: string): Promise<void> {
  refuseProtectedUser(address, name);
  await using connection = await open(address);
  const accounts = await accountsOf(connection, name);
  await refuseDefiner(connection, name, accounts);
  for (const account of accounts) await connection.query(`DROP USER IF EXISTS ${quoted(account)}`);
  const sessions = await connection.query("SELECT id AS name FROM information_schema.processlist WHERE user = ?", [
    name,
  ]);
  for (const id of names(sessions)) {
    await unlessErrno(noSuchThread, async () => await connection.query("KILL ?", [Number(id)]));
  }
}

/**
 * Makes a database, of which `owner` has all rights; one that exists is left as it is.
 * @throws {BtarError} INVALID_NAME, SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function createDatabase(
  address: ServerAddress,
  database: { readonly name: string; readonly owner: string },
): Promise<void> {
  refuseProtectedDatabase(database.name);
  await using connection = await open(address);
  const owners = await accountsOf(connection, database.owner);
  if (owners.length === 0) throw noOwner(database);
  const name = mysql.escapeId(database.name, true);
  await connection.query(`CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4`);
  // With partial_revokes, the server takes a name here for a name, and not for a pattern.
  for (const owner of owners) await connection.query(`GRANT ALL ON ${name}.* TO ${quoted(owner)} WITH GRANT OPTION`);
}

/**
 * Removes a database with all that is in it, and the rights that were given on the whole of it; absent is fine.
 * @throws {BtarError} INVALID_NAME, SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function dropDatabase(address: ServerAddress, name: string): Promise<void> {
  refuseProtectedDatabase(name);
  await using connection = await open(address);
  const database = mysql.escapeId(name, true);
  await connection.query(`DROP DATABASE IF EXISTS ${database}`);
  const rows = await connection.query("SELECT user, host FROM mysql.db WHERE db = ?", [name]);
  for (const account of rows.map(accountOf)) {
    for (const rights of ["ALL", "GRANT OPTION"]) {
      await unlessErrno(noSuchGrant, async () => {
        await connection.query(`REVOKE ${rights} ON ${database}.* FROM ${quoted(account)}`);
      });
    }
  }
}

/** MySQL would drop the user, and what runs in its name would fail from then on. */
async function refuseDefiner(connection: MysqlConnection, name: string, accounts: readonly Account[]): Promise<void> {
  const definers = accounts.map(({ user, host }) => `${user}@${host}`);
  if (definers.length === 0) return;
  const owned = await connection.query(
    `SELECT CONCAT(kind, ' ', place, '.', name) AS name FROM (
       SELECT 'view' AS kind, table_schema AS place, table_name AS name, definer FROM information_schema.views
       UNION ALL SELECT LOWER(routine_type), routine_schema, routine_name, definer FROM information_schema.routines
       UNION ALL SELECT 'trigger', trigger_schema, trigger_name, definer FROM information_schema.triggers
       UNION ALL SELECT 'event', event_schema, event_name, definer FROM information_schema.events) AS owned
     WHERE definer IN (${definers.map(() => "?").join(", ")}) ORDER BY 1 LIMIT 10`,
    definers,
  );
  if (owned.length === 0) return;
  throw new BtarError("WRONG_STATE", {
    message: `user ${name} is the definer of ${names(owned).join(", ")}`,
    hint: "as the administrator, drop these, or make them again with another definer",
    details: { user: name },
  });
}

async function accountsOf(connection: MysqlConnection, name: string): Promise<readonly Account[]> {
  return (await connection.query("SELECT user, host FROM mysql.user WHERE user = ? ORDER BY host", [name])).map(
    accountOf,
  );
}

function accountOf(row: Readonly<Record<string, string | null>>): Account {
  return { user: row.user ?? row.User ?? "", host: row.host ?? row.Host ?? "" };
}

async function open(address: ServerAddress): Promise<MysqlConnection> {
  return await MysqlConnection.open(address, { signal: new AbortController().signal });
}

async function unlessErrno(expected: number, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (errnoOf(error) !== expected) throw error;
  }
}

function names(rows: readonly Readonly<Record<string, string | null>>[]): readonly string[] {
  return rows.flatMap((row) => row.name ?? []);
}

function quoted({ user, host }: Account): string {
  return mysql.format("?@?", [user, host]);
}

function refuseProtectedUser(address: ServerAddress, name: string): void {
  if (!isName(name, maxUserCharacters) || name.trim() !== name) {
    throw badName("user", name, `names of 1 to ${maxUserCharacters} characters`);
  }
  if (name === address.user || name === "root" || name.startsWith("mysql.")) throw reserved("user", name);
}

function refuseProtectedDatabase(name: string): void {
  if (!isName(name, maxDatabaseCharacters) || name.endsWith(" ")) {
    throw badName("database", name, `names of 1 to ${maxDatabaseCharacters} characters, the last no space`);
  }
  if (ownDatabases.includes(name.toLowerCase())) throw reserved("database", name);
}

/** MySQL takes no characters beyond U+FFFF in names. */
function isName(name: string, maxCharacters: number): boolean {
  return name.length >= 1 && name.length <= maxCharacters && !/[\0\u{10000}-\u{10ffff}]/u.test(name);
}

function refuseBadPassword(user: { readonly name: string; readonly password: string }): void {
  const bytes = Buffer.byteLength(user.password);
  if (bytes >= 1 && bytes <= maxPasswordBytes && !user.password.includes("\0")) return;
  throw new BtarError("INVALID_INPUT", {
    message: `the password of user ${user.name} has ${bytes} bytes`,
    hint: `MySQL takes passwords of 1 to ${maxPasswordBytes} bytes, none of them 0`,
  });
}

function noOwner(database: { readonly name: string; readonly owner: string }): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `database ${database.name} cannot be made: there is no user ${database.owner} to own it`,
    hint: "make the user first",
  });
}

function badName(kind: string, name: string, accepted: string): BtarError {
  return new BtarError("INVALID_NAME", {
    message: `${JSON.stringify(name)} cannot be the name of a ${kind}`,
    hint: `MySQL takes ${accepted}`,
  });
}

function reserved(kind: string, name: string): BtarError {
  return new BtarError("INVALID_NAME", {
    message: `the ${kind} name ${name} is reserved`,
    hint: "choose another name; those of btar's and MySQL's own cannot be made, changed or dropped",
  });
}

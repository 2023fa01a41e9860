import mysql from "mysql2";
import type { MysqlConnection } from "../connection.ts";

/**
 * What administrators may do everywhere. Not among it is what would let them out of btar's sight or into its place:
 * RELOAD (RESET BINARY LOGS), SHUTDOWN, FILE, SUPER, CREATE TABLESPACE.
 * @see https://dev.mysql.com/doc/refman/9.7/en/privileges-provided.html
 */
const rights =
  "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, " +
  "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, " +
  "CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE ROLE, DROP ROLE";

/**
 * … and what of the finer rights, where the server has them. Never: SYSTEM_USER (btar's account could be changed),
 * CONNECTION_ADMIN (`ip_filter` would not count), SYSTEM_VARIABLES_ADMIN and SESSION_VARIABLES_ADMIN (binary logs could
 * be turned off), BINLOG_ADMIN, BACKUP_ADMIN, SET_ANY_DEFINER (programs could run in btar's name).
 */
const dynamicRights: readonly string[] = [
  "APPLICATION_PASSWORD_ADMIN",
  "ENCRYPTION_KEY_ADMIN",
  "FLUSH_OPTIMIZER_COSTS",
  "FLUSH_PRIVILEGES",
  "FLUSH_STATUS",
  "FLUSH_TABLES",
  "FLUSH_USER_RESOURCES",
  "ROLE_ADMIN",
  "SHOW_ROUTINE",
  "XA_RECOVER_ADMIN",
];

/** MySQL's own tables hold who may do what: they are for reading. */
const rightsNotOnOwnTables =
  "INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES, CREATE VIEW, " +
  "CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER";

/**
 * Gives an account the rights of an administrator, who can pass them on. Repeatable.
 * @param connection of the internal account
 * @param account quoted
 */
export async function grantAdministration(connection: MysqlConnection, account: string): Promise<void> {
  await connection.query(`GRANT ${rights} ON *.* TO ${account} WITH GRANT OPTION`);
  const known = await connection.query(
    `SELECT DISTINCT privilege_type AS name FROM information_schema.user_privileges
     WHERE grantee = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@',
                            QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))`,
  );
  const granted = dynamicRights.filter((right) => known.some(({ name }) => name === right));
  await connection.query(`GRANT ${granted.join(", ")} ON *.* TO ${account} WITH GRANT OPTION`);
  await connection.query(`REVOKE ${rightsNotOnOwnTables} ON mysql.* FROM ${account}`);
}

/**
 * Takes from all accounts what no administrator may have, as the files of a server that btar did not make have such
 * accounts. MySQL's own stay as they are: nobody can log in with them.
 * @param connection of an account that may do everything
 * @param spared names of accounts that keep what they have
 */
export async function limitRights(connection: MysqlConnection, spared: readonly string[]): Promise<void> {
  const allowed = new Set([...rights.split(", "), ...dynamicRights, "USAGE"]);
  const accounts = await connection.query("SELECT user AS user, host AS host FROM mysql.user");
  for (const { user, host } of accounts) {
    if (user == null || host == null || user.startsWith("mysql.") || spared.includes(user)) continue;
    const granted = await connection.query(
      "SELECT privilege_type AS name FROM information_schema.user_privileges WHERE grantee = CONCAT('\\'', ?, '\\'@\\'', ?, '\\'')",
      [user, host],
    );
    const excess = granted.flatMap(({ name }) => (name != null && !allowed.has(name) ? [name] : []));
    if (excess.length === 0) continue;
    await connection.query(`REVOKE ${excess.join(", ")} ON *.* FROM ${mysql.format("?@?", [user, host])}`);
  }
}

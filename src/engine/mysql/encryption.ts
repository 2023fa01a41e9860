import { isLoopback } from "../../domain/service-uri.ts";
import { isSocketFile } from "../connection-error.ts";
import type { ServerAddress } from "../engine.ts";
import type { MysqlConnection } from "./connection.ts";
import { errnoOf } from "./server-error.ts";

/** Variables by which a server encrypts what it writes. */
export const encryptionVariables = [
  "binlog_encryption",
  "default_table_encryption",
  "innodb_redo_log_encrypt",
  "innodb_undo_log_encrypt",
] as const;

export type EncryptionVariable = (typeof encryptionVariables)[number];

/** Those that a clone's files show, besides tables. */
export const encryptedFileVariables: readonly EncryptionVariable[] = [
  "innodb_redo_log_encrypt",
  "innodb_undo_log_encrypt",
];

/**
 * Where a server sends the keys of encrypted data: over TLS only, which nobody need ask for on this host.
 * @returns undefined when the address asks for none, and leads away from here
 */
export function addressForKeys(address: ServerAddress): ServerAddress | undefined {
  if (address.tls.mode !== "disable") return address;
  const isHere = isSocketFile(address) || isLoopback(address.host);
  return isHere ? { ...address, tls: { mode: "require" } } : undefined;
}

/** ER_SPECIFIC_ACCESS_DENIED_ERROR */
const noPrivilege = 1227;

/** Those that are on. Any account can ask. */
export async function encryptionSettings(session: MysqlConnection): Promise<readonly EncryptionVariable[]> {
  const values = encryptionVariables.map((name) => `@@GLOBAL.${name} AS ${name}`);
  const row = await session.queryRow(`SELECT ${values.join(", ")}`);
  return encryptionVariables.filter((name) => row[name] === "1");
}

/**
 * Whether some of a server's tables or tablespaces are encrypted, as far as the account may see: all of them with
 * PROCESS, else the tables that it has a right to.
 */
export async function hasEncryptedTables(session: MysqlConnection): Promise<boolean> {
  try {
    const spaces = "SELECT 1 FROM information_schema.innodb_tablespaces WHERE encryption = 'Y' LIMIT 1";
    return (await session.query(spaces)).length > 0;
  } catch (error) {
    if (errnoOf(error) !== noPrivilege) throw error;
  }
  const tables = "SELECT 1 FROM information_schema.tables WHERE create_options LIKE '%ENCRYPTION=%Y%' LIMIT 1";
  return (await session.query(tables)).length > 0;
}

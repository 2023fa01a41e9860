import { BtarError } from "../../../domain/errors.ts";
import type { ServerIdentity } from "../../engine.ts";
import type { MysqlConnection } from "../connection.ts";
import { formatAddress, protocolViolation } from "../server-error.ts";

/** What a restore, and whoever names its log, must know of a server besides its files. */
export interface Donor {
  readonly identity: ServerIdentity;
  /** Such as 90704. */
  readonly versionNumber: number;
  readonly pageBytes: number;
  readonly lowerCaseTableNames: number;
  readonly dataFilePath: string;
}

const oldestVersion = 80_017;

/** @throws {BtarError} SERVER_REFUSED when it cannot be cloned at all, SERVER_PROTOCOL */
export async function describeDonor(connection: MysqlConnection): Promise<Donor> {
  const row = await connection.queryRow(`SELECT @@GLOBAL.version AS version, @@GLOBAL.server_uuid AS uuid,
    @@GLOBAL.innodb_page_size AS page_size, @@GLOBAL.lower_case_table_names AS lower_case,
    @@GLOBAL.innodb_data_file_path AS data_file_path`);
  const version = row["version"] ?? "";
  const [, major = "", minor = "", patch = ""] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  const versionNumber = Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
  const uuid = row["uuid"]?.toLowerCase() ?? "";
  if (!/^[0-9a-f-]{36}$/.test(uuid) || versionNumber === 0) {
    throw protocolViolation(connection.address, `"${version}" as its version and "${uuid}" as its server_uuid`);
  }
  if (versionNumber < oldestVersion) {
    throw new BtarError("SERVER_REFUSED", {
      message: `MySQL at ${formatAddress(connection.address)} is version ${version}, which cannot be cloned`,
      hint: "use MySQL 8.0.17 or later",
    });
  }
  return {
    identity: { version: `${major}.${minor}.${patch}`, majorVersion: `${major}.${minor}`, systemId: uuid },
    versionNumber,
    pageBytes: Number(row["page_size"]),
    lowerCaseTableNames: Number(row["lower_case"]),
    dataFilePath: row["data_file_path"] ?? "",
  };
}

/** Transactions that the server has committed, as it writes GTID sets, on one line. */
export async function executedGtids(connection: MysqlConnection): Promise<string> {
  const { gtids } = await connection.queryRow("SELECT @@GLOBAL.gtid_executed AS gtids");
  return (gtids ?? "").replaceAll(/\s/g, "");
}

/** The server's clock. */
export async function serverTime(connection: MysqlConnection): Promise<Date> {
  const { now } = await connection.queryRow("SELECT UTC_TIMESTAMP(3) AS now");
  return new Date(`${now?.replace(" ", "T")}Z`);
}

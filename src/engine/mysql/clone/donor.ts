import type { MysqlConnection } from "../connection.ts";
import { type EncryptionVariable, encryptionSettings } from "../encryption.ts";
import { describeServer, type ServerDescription } from "../server-description.ts";

/** What a restore must know of a server besides its files. */
export interface Donor extends ServerDescription {
  readonly pageBytes: number;
  readonly lowerCaseTableNames: number;
  readonly dataFilePath: string;
  /** What it encrypts besides single tables. */
  readonly encryptionSettings: readonly EncryptionVariable[];
}

/** @throws {BtarError} as `describeServer` */
export async function describeDonor(session: MysqlConnection): Promise<Donor> {
  const server = await describeServer(session);
  const row = await session.queryRow(`SELECT @@GLOBAL.innodb_page_size AS page_bytes,
    @@GLOBAL.lower_case_table_names AS lower_case, @@GLOBAL.innodb_data_file_path AS data_file_path`);
  return {
    ...server,
    pageBytes: Number(row["page_bytes"]),
    lowerCaseTableNames: Number(row["lower_case"]),
    dataFilePath: row["data_file_path"] ?? "",
    encryptionSettings: await encryptionSettings(session),
  };
}

/** Transactions that the server has committed, as it writes GTID sets, on one line. */
export async function executedGtids(session: MysqlConnection): Promise<string> {
  const { gtids } = await session.queryRow("SELECT @@GLOBAL.gtid_executed AS gtids");
  return (gtids ?? "").replaceAll(/\s/g, "");
}

/** By the server's clock, in whole milliseconds, rounded down. */
export async function serverTime(session: MysqlConnection): Promise<Date> {
  const { now } = await session.queryRow("SELECT UTC_TIMESTAMP(6) AS now");
  return new Date(`${now?.replace(" ", "T").slice(0, 23)}Z`);
}

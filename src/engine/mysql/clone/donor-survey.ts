import { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import { errnoOf, formatAddress } from "../server-error.ts";
import { cloneErrno } from "./clone-error.ts";
import type { DonorParameters } from "./donor-parameters.ts";
import type { RecipientSettings } from "./recipient-cnf.ts";

/** There may be very many tablespaces. */
const queryLimitMs = 300_000;
const shownFiles = 3;

/** What must be known of a donor before a MySQL of this host receives its clone. */
export interface DonorSurvey {
  readonly parameters: DonorParameters;
  /** What the recipient must have like the donor. */
  readonly settings: RecipientSettings;
  /** Of the donor's files, and of all the redo that may come with them. */
  readonly cloneBytes: number;
}

interface SurveyOptions {
  /** Why it is to be received so, for messages. */
  readonly reason: string;
  readonly signal: AbortSignal;
}

/**
 * Asks a donor for what its clone needs on this host, and whether all of it would come to one directory.
 * @throws {BtarError} SERVER_REFUSED, and those of connections
 */
export async function surveyDonor(address: ServerAddress, options: SurveyOptions): Promise<DonorSurvey> {
  return await asking(address, options, async (session) => {
    const configs = await configsOf(session);
    refuseOtherSystem(configs["version_compile_os"] ?? "", options.reason);
    await refuseExternal(session, options.reason);
    const parameters = { configs, plugins: await pluginsOf(session) };
    const settings = {
      innodb_page_size: configs["innodb_page_size"] ?? "",
      character_set_server: configs["character_set_server"] ?? "",
      character_set_filesystem: configs["character_set_filesystem"] ?? "",
      collation_server: configs["collation_server"] ?? "",
    };
    return { parameters, settings, cloneBytes: await cloneBytesOf(session) };
  });
}

/**
 * Looks again when a clone is complete: tables may have been made meanwhile.
 * @throws {BtarError} SERVER_REFUSED
 */
export async function refuseExternalNow(address: ServerAddress, options: SurveyOptions): Promise<void> {
  await asking(address, options, async (session) => await refuseExternal(session, options.reason));
}

async function asking<T>(
  address: ServerAddress,
  { reason, signal }: SurveyOptions,
  ask: (session: MysqlConnection) => Promise<T>,
): Promise<T> {
  await using session = await MysqlConnection.open(address, { signal, queryLimitMs });
  try {
    return await ask(session);
  } catch (error) {
    throw errnoOf(error) === cloneErrno.noPrivilege ? mayNotSee(address, reason, error) : error;
  }
}

/** MySQL takes clones of its own system only; those of Windows it would not even name files as others do. */
function refuseOtherSystem(system: string, reason: string): void {
  if (!/^win/i.test(system)) return;
  throw new BtarError("SERVER_REFUSED", {
    message: `${reason}; and a MySQL of this host cannot receive its clone either, since the server runs on ${system}`,
    hint: "btar backs up MySQL servers that run on Linux or another Unix",
  });
}

/** MySQL's recipient writes them to the same paths of its own host: they would be missing in the clone's directory. */
async function refuseExternal(session: MysqlConnection, reason: string): Promise<void> {
  const rows = await session.query(`SELECT file_name AS name FROM information_schema.files
    WHERE file_type = 'TABLESPACE' AND tablespace_name <> 'innodb_system' AND file_name NOT LIKE './%'
    AND LEFT(file_name, CHAR_LENGTH(@@GLOBAL.datadir)) <> @@GLOBAL.datadir ORDER BY 1 LIMIT ${shownFiles + 1}`);
  if (rows.length === 0) return;
  const names = rows.map(({ name }, index) => (index < shownFiles ? (name ?? "") : "…"));
  throw new BtarError("SERVER_REFUSED", {
    message:
      `${reason}; and a MySQL of this host cannot receive the server's clone, since that has files outside of its data ` +
      `directory, which would be written to the same paths here: ${names.join(", ")}`,
    hint: "move these tables into the server's data directory",
    details: { files: names },
  });
}

/** As a streamed clone tells them, as far as they can be asked for. */
async function configsOf(session: MysqlConnection): Promise<Readonly<Record<string, string>>> {
  const names = [
    ...["version", "version_compile_machine", "version_compile_os", "character_set_server"],
    ...["character_set_filesystem", "collation_server", "innodb_page_size"],
  ];
  const row = await session.queryRow(`SELECT ${names.map((name) => `@@GLOBAL.${name} AS ${name}`).join(", ")}`);
  return Object.fromEntries(names.map((name) => [name, row[name] ?? ""]));
}

async function pluginsOf(session: MysqlConnection): Promise<DonorParameters["plugins"]> {
  const rows =
    await session.query(`SELECT plugin_name AS name, plugin_library AS library_file FROM information_schema.plugins
    WHERE plugin_status = 'ACTIVE' ORDER BY 1`);
  return rows.map((row) => ({ name: row["name"] ?? "", library: row["library_file"] ?? undefined }));
}

async function cloneBytesOf(session: MysqlConnection): Promise<number> {
  const { spaces } = await session.queryRow(
    "SELECT SUM(file_size) AS spaces FROM information_schema.innodb_tablespaces WHERE name <> 'innodb_temporary'",
  );
  const { shared } = await session.queryRow(`SELECT SUM(total_extents * extent_size) AS shared
    FROM information_schema.files WHERE tablespace_name = 'innodb_system'`);
  const rows = await session.query(`SHOW GLOBAL VARIABLES
    WHERE variable_name IN ('innodb_redo_log_capacity', 'innodb_log_file_size', 'innodb_log_files_in_group')`);
  const settings = new Map(rows.map((row) => [row["Variable_name"], Number(row["Value"])]));
  // The one setting for all of it came with 8.0.30.
  const older = (settings.get("innodb_log_file_size") ?? 0) * (settings.get("innodb_log_files_in_group") ?? 0);
  return Number(spaces ?? 0) + Number(shared ?? 0) + (settings.get("innodb_redo_log_capacity") ?? older);
}

function mayNotSee(address: ServerAddress, reason: string, cause: unknown): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message:
      `${reason}; a MySQL of this host could receive the server's clone, but ${address.user} at ` +
      `${formatAddress(address)} may not see which files that has`,
    hint: `give the account what it lacks: GRANT PROCESS ON *.* TO '${address.user}'@'%';`,
    details: { errno: cloneErrno.noPrivilege },
    cause,
  });
}

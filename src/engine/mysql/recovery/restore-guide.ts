import path from "node:path";
import { mysqlGuide } from "../../../contract/restored-files.ts";
import { writeFileDurably } from "../../../platform/files.ts";
import type { RecoveryFacts } from "./recovery-facts.ts";
import { keyringComponent } from "../server/installations.ts";
import { fileSettings, needsKeyring } from "./prepare-files.ts";
import type { RelayedLog } from "./relay-logs.ts";
import { replaySettings, replayStatements } from "./replay.ts";

/**
 * Writes how restored files become a server: MySQL does not replay a log by itself. One run of the server does so, with
 * no account: those that the files hold may have no right to it.
 * @param request.places of tables outside of the data directory
 */
export async function writeRestoreGuide(
  filesDirectory: string,
  request: {
    readonly facts: RecoveryFacts;
    readonly relayed: RelayedLog;
    readonly places: readonly string[];
  },
): Promise<void> {
  const { facts, relayed, places } = request;
  const options = [
    "# Written by btar for a restore. Run mysqld with --defaults-file=THIS FILE, as the user that owns the directory: it",
    `# replays the log, as ${mysqlGuide.statements} says, and ends. Then start it with a configuration of your own, which`,
    "# needs the first settings here, too.",
    ...(needsKeyring(facts) ? keyringGuide : []),
    "[mysqld]",
    `datadir = "${filesDirectory}"`,
    ...Object.entries(fileSettings(facts)).map(([name, value]) => `${name} = "${value}"`),
    ...(places.length > 0 ? [`innodb_directories = "${places.join(";")}"`] : []),
    "# Only for the replay:",
    `init_file = "${path.join(filesDirectory, mysqlGuide.statements)}"`,
    "loose_mysqlx = OFF",
    // In the data directory, where no other server has its own.
    "socket = mysql.sock",
    "pid_file = mysqld.pid",
    "secure_file_priv = NULL",
    "gtid_mode = ON",
    "enforce_gtid_consistency = ON",
    ...Object.entries(replaySettings()).map(([name, value]) => `${name} = ${value}`),
    "",
  ];
  await writeFileDurably(path.join(filesDirectory, mysqlGuide.options), options.join("\n"), { mode: 0o640 });
  await writeFileDurably(path.join(filesDirectory, mysqlGuide.statements), statements(relayed), { mode: 0o640 });
}

/** The server wraps the files' keys by its own master key at its first start. */
const keyringGuide = [
  "#",
  "# Some of the data is encrypted, so the server needs a keyring: an empty one will do for this run, and the same one",
  `# from then on. For ${keyringComponent}, put two files where the server looks for them:`,
  "#   mysqld.my, in the directory of mysqld:",
  `#     ${JSON.stringify({ components: `file://${keyringComponent}` })}`,
  `#   ${keyringComponent}.cnf, in the directory of plugins, where ${keyringComponent}.so is:`,
  `#     ${JSON.stringify({ path: "/var/lib/mysql-keyring/keys", read_only: false })}`,
];

function statements(relayed: RelayedLog): string {
  const { files, gtids, transactionCount } = relayed;
  const [first] = files;
  if (first === undefined) return "-- There is no log to replay: the files are complete.\nSHUTDOWN;\n";
  return [
    `-- Written by btar: replays the log, ${transactionCount} transactions at most. Those that the files hold are passed over.`,
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST='btar', RELAY_LOG_FILE='${first}', RELAY_LOG_POS=4;`,
    "-- Tables that InnoDB does not hold have come empty: changes of rows that they lack are passed over.",
    ...replayStatements(relayed).map((statement) => `${statement.replaceAll(/\s+/g, " ")};`),
    "START REPLICA SQL_THREAD;",
    "-- Waits until all of it is applied. When it does not end, what the server logs says why.",
    `SELECT WAIT_FOR_EXECUTED_GTID_SET('${gtids.format()}');`,
    "STOP REPLICA;",
    "RESET REPLICA ALL;",
    "SHUTDOWN;",
    "",
  ].join("\n");
}

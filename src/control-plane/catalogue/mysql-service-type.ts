import { mysqlUserConfigSchema } from "../../contract/mysql-user-config.ts";
import { type ServiceType, uriAuthority } from "./service-type.ts";

const reservedUsers = new Set(["root", "btar_internal"]);
const reservedDatabases = new Set(["mysql", "sys", "information_schema", "performance_schema"]);

/** MySQL. The versions are those with long-term support; what agents have besides can run, too. */
export const mysqlServiceType: ServiceType = {
  name: "mysql",
  description: "MySQL - Relational Database Management System",
  versions: [
    { major: "8.0", availableFrom: "2018-04-19", endOfLife: "2026-04-30" },
    { major: "8.4", availableFrom: "2024-04-30", endOfLife: "2032-04-30" },
    { major: "9.7", availableFrom: "2026-04-21", endOfLife: "2034-04-30" },
  ],
  programsHint:
    "on the host of its agent, run scripts/servers/mysql.sh of btar's folder, or install MySQL from Debian's or Oracle's packages, " +
    "or name its directory in the configuration with engines.mysql.basedir; then start the agent again",
  versionKey: "mysql_version",
  serverKeys: ["binlog_retention_period", "ip_filter", "mysql"],
  userConfigSchema: mysqlUserConfigSchema,
  authentication: "caching_sha2_password",
  longestUserName: 32,
  // `mysql.sys`, `mysql.session` and `mysql.infoschema` own parts of the server.
  isReservedUser: (name) => reservedUsers.has(name.toLowerCase()) || name.toLowerCase().startsWith("mysql."),
  // In any case of letters: a server may be set to take no notice of it.
  isReservedDatabase: (name) => reservedDatabases.has(name.toLowerCase()),
  lastDatabase: "mysql",
  dumpOf: (database) => `mysqldump --databases ${database} of the fork`,
  collation: { order: "utf8mb4_0900_ai_ci", characters: "utf8mb4" },
  uriParams: ({ host, port, user, password, database }) => ({
    dbname: database,
    host,
    password,
    port: String(port),
    "ssl-mode": "REQUIRED",
    user,
  }),
  uri: (address) => `mysql://${uriAuthority(address)}?ssl-mode=REQUIRED`,
  connectionInfo: ({ uri, params }) => ({
    mysql: uri === null ? [] : [uri],
    mysql_params: uri === null ? [] : [params],
    mysql_standby: [],
    // Clients fail on null.
    mysql_replica_uri: uri ?? "",
  }),
};

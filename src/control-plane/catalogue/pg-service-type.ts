import { pgUserConfigSchema } from "../../contract/pg-user-config.ts";
import { type ServiceType, uriAuthority } from "./service-type.ts";

/** Roles that PostgreSQL and btar keep for themselves. */
const reservedRoles = new Set(["postgres", "public", "none", "btar_internal"]);
const reservedDatabases = new Set(["postgres", "template0", "template1"]);

/** PostgreSQL. */
export const pgServiceType: ServiceType = {
  name: "pg",
  description: "PostgreSQL - Object-Relational Database Management System",
  versions: [
    { major: "14", availableFrom: "2021-09-30", endOfLife: "2026-11-12" },
    { major: "15", availableFrom: "2022-10-13", endOfLife: "2027-11-11" },
    { major: "16", availableFrom: "2023-09-14", endOfLife: "2028-11-09" },
    { major: "17", availableFrom: "2024-09-26", endOfLife: "2029-11-08" },
    { major: "18", availableFrom: "2025-09-25", endOfLife: "2030-11-14" },
  ],
  programsHint: "name one in the configuration of its agent with engines.pg",
  versionKey: "pg_version",
  serverKeys: ["ip_filter", "pg", "shared_buffers_percentage", "work_mem"],
  userConfigSchema: pgUserConfigSchema,
  longestUserName: 63,
  isReservedUser: (name) => reservedRoles.has(name) || name.startsWith("pg_"),
  isReservedDatabase: (name) => reservedDatabases.has(name),
  lastDatabase: "postgres",
  dumpOf: (database) => `pg_dump --create --dbname of the fork's ${database}`,
  collation: { order: "C.UTF-8", characters: "C.UTF-8" },
  uriParams: ({ host, port, user, password, database }) => ({
    dbname: database,
    host,
    password,
    port: String(port),
    sslmode: "require",
    user,
  }),
  uri: (address) => `postgres://${uriAuthority(address)}?sslmode=require`,
  connectionInfo: ({ uri, params }) => ({
    pg: uri === null ? [] : [uri],
    pg_params: uri === null ? [] : [params],
    pg_standby: [],
    pg_syncing: [],
  }),
};

import type { Static } from "typebox";
import type { service } from "../../contract/services.ts";
import type { ConfigSchema, ConfigSchemaOptions } from "../../contract/user-config.ts";
import type { EngineName } from "../../domain/engine-name.ts";

/** A major version, with days as upstream tells them: `2026-04-21`. */
export interface EngineVersion {
  readonly major: string;
  readonly availableFrom: string;
  readonly endOfLife: string;
}

/** Where and as whom a client connects. */
export interface ClientAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

type ConnectionInfo = Static<typeof service>["connection_info"];

/** What the control plane knows of an engine. */
export interface ServiceType {
  readonly name: EngineName;
  /** For clients of the API, which know it. */
  readonly description: string;
  /** Oldest first. */
  readonly versions: readonly EngineVersion[];
  /** What to do on the host of an agent that has no programs of the engine. */
  readonly programsHint: string;
  /** Key of `user_config` that names the major version. */
  readonly versionKey: "pg_version" | "mysql_version";
  /** Keys of `user_config` whose change reaches a managed server; others are btar's own business. */
  readonly serverKeys: readonly string[];
  readonly userConfigSchema: (options: ConfigSchemaOptions) => ConfigSchema;
  /** How users log in, where clients of the API ask for it. */
  readonly authentication?: string;
  readonly longestUserName: number;
  /** Whether the engine or btar keeps the name of a user for itself. */
  readonly isReservedUser: (name: string) => boolean;
  readonly isReservedDatabase: (name: string) => boolean;
  /** The database that every server has, whatever its owner removes. */
  readonly lastDatabase: string;
  /** How one database is taken out of a server, for people. */
  readonly dumpOf: (database: string) => string;
  /** Of databases that btar makes. */
  readonly collation: { readonly order: string; readonly characters: string };
  /** The parts of a URI as the engine's clients name them, all texts. */
  readonly uriParams: (address: ClientAddress) => Record<string, string>;
  readonly uri: (address: ClientAddress) => string;
  /** Both once more, under the names that clients of the API look for; `uri` is null while there is none. */
  readonly connectionInfo: (connection: {
    readonly uri: string | null;
    readonly params: Record<string, string>;
  }) => ConnectionInfo;
}

/** `USER:PASSWORD@HOST:PORT/DATABASE`, escaped. */
export function uriAuthority({ host, port, user, password, database }: ClientAddress): string {
  const account = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `${account}@${host.includes(":") ? `[${host}]` : host}:${port}/${encodeURIComponent(database)}`;
}

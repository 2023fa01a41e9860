import type { ServiceSecrets } from "../../catalog/schema.ts";
import { parseServiceUri } from "../../domain/service-uri.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ServiceRow } from "./find-service.ts";
import { defaultDatabase } from "./insert-service.ts";

/** How clients reach a service. */
export interface Connection {
  readonly uri: string | null;
  /** All texts, the port too: clients of the API decode them as such. */
  readonly params: Record<string, string>;
  readonly components: {
    component: string;
    host: string;
    port: number;
    route: "dynamic";
    usage: "primary";
  }[];
}

/**
 * An attached service is told without its password: whoever attached it knows it.
 * @param databases names; a fork has its source's, which need not be the usual one
 */
export function connectionOf(row: ServiceRow, secrets: ServiceSecrets, databases: readonly string[]): Connection {
  if (row.kind === "attached") {
    if (secrets.attachedUri === undefined) return { uri: null, params: {}, components: [] }; // known from a store alone
    const { host, port, user, database } = parseServiceUri(secrets.attachedUri);
    return { uri: null, params: { dbname: database, host, port: String(port), user }, components: [] };
  }
  const { host, port } = row;
  if (host === null || port === null || row.state === "REBUILDING") return { uri: null, params: {}, components: [] };
  const { uri, uriParams, lastDatabase } = serviceTypes[row.engine];
  const database = databases.includes(defaultDatabase) ? defaultDatabase : (databases[0] ?? lastDatabase);
  const address = { host, port, user: secrets.adminUser, password: secrets.adminPassword, database };
  return {
    uri: uri(address),
    params: uriParams(address),
    components: [{ component: row.engine, host, port, route: "dynamic", usage: "primary" }],
  };
}

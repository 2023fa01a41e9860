import { mysqlGuide } from "../contract/restored-files.ts";
import { type EngineName, engineNames, productNames } from "../domain/engine-name.ts";
import type { Service } from "./api-answers.ts";

/** What connecting needs of a service. */
type ConnectedService = Pick<Service, "service_type" | "service_uri" | "service_uri_params">;

/** What people type to use a server of an engine. */
interface EngineCommands {
  /** @param params parts of the URI, as the API names them for the clients of the engine */
  readonly connect: (uri: string, params: Readonly<Record<string, string>>) => string;
  /** What to do with restored files, once the server's user owns them. */
  readonly start: (directory: string) => readonly string[];
}

const commands: Readonly<Record<EngineName, EngineCommands>> = {
  pg: {
    connect: (uri) => `psql '${uri}'`,
    start: (directory) => ["then start it; it recovers by itself:", `  pg_ctl -D ${directory} start`],
  },
  mysql: {
    // Its client takes no URIs.
    connect: (_uri, { host = "", port = "", user = "", password = "", dbname = "", "ssl-mode": tls = "" }) =>
      `mysql -h ${host} -P ${port} -u ${user} -p${quoted(password)} --ssl-mode=${tls} ${quoted(dbname)}`,
    start: (directory) => [
      "then let it replay the log, after which it ends by itself, and start it with a configuration of your own:",
      `  mysqld --defaults-file=${quoted(`${directory}/${mysqlGuide.options}`)}`,
    ],
  },
};

/** Engine and version of a service: `pg 18`. */
export function engineText({ service_type, metadata }: Pick<Service, "service_type" | "metadata">): string {
  return `${service_type} ${metadata.pg_version ?? metadata.mysql_version ?? ""}`.trimEnd();
}

/** The command that connects to a service as its administrator; undefined while there is none. */
export function connectCommand(service: ConnectedService): string | undefined {
  const { service_type, service_uri, service_uri_params } = service;
  if (service_uri === null) return undefined;
  const engine = knownEngine(service_type);
  return engine ? commands[engine].connect(service_uri, service_uri_params) : service_uri;
}

/**
 * How files are put to use that a restore has written.
 * @param result of the job: directory, and what server the files are of
 */
export function startText(directory: string, result: Readonly<Record<string, unknown>>): string {
  const engine = knownEngine(result["engine"]) ?? "pg"; // a job of an older agent does not say it
  const owner = `Give it to the user that ${productNames[engine]} runs as (chown -R), `;
  return owner + commands[engine].start(directory).join("\n");
}

/** Product and version that a job's result tells: `PostgreSQL 18.4`. */
export function productText({ engine, version }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof version === "string" ? `${productNames[knownEngine(engine) ?? "pg"]} ${version}` : undefined;
}

function knownEngine(name: unknown): EngineName | undefined {
  return engineNames.find((known) => known === name);
}

/** As one word of a shell's command line. */
function quoted(text: string): string {
  return /^[\w./][\w./-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import type { Logger } from "../../../platform/logger.ts";
import type { ServerAddress } from "../../engine.ts";
import type { RunAs } from "../../run-as.ts";
import type { ServerDriver, ServerLogLine, ServerSpec, ServerStatus } from "../../server.ts";
import { boundLog } from "../../server-log-file.ts";
import { MysqlConnection } from "../connection.ts";
import { createDatabase, dropDatabase, dropUser, listAccounts, putUser } from "./accounts.ts";
import { adminInterface } from "./admin-interface.ts";
import { admit, type Configuration, reconfigure, writeConfiguration } from "./configure.ts";
import { readServerState, type ServerDirectory, type ServerState, serverDirectory } from "./directory.ts";
import { initializeServer } from "./initialize.ts";
import { type InstallationPlaces, type MysqlInstallation, ServerInstallations } from "./installations.ts";
import { lastLogLines, newLogLines } from "./server-log.ts";
import { findServer, stopServer } from "./server-process.ts";
import { type StartRequest, startServer } from "./start.ts";

export interface MysqlServerOptions extends InstallationPlaces {
  /** From `resolveRunAs`. */
  readonly runAs: RunAs | undefined;
  readonly logger: Logger;
}

/** Everything of a `ServerDriver` but recovery. */
type RunsServers = Pick<
  ServerDriver,
  | "installations"
  | "initialize"
  | "configure"
  | "status"
  | "start"
  | "stop"
  | "internalAddress"
  | "recentLog"
  | "listAccounts"
  | "putUser"
  | "dropUser"
  | "createDatabase"
  | "dropDatabase"
>;

/** Runs MySQL 8.0, 8.4 and 9.7 on this host. */
export class MysqlManagedServers implements RunsServers {
  readonly #installations: ServerInstallations;
  readonly #runAs: RunAs | undefined;
  readonly #logger: Logger;

  constructor(options: MysqlServerOptions) {
    this.#installations = new ServerInstallations(options);
    this.#runAs = options.runAs;
    this.#logger = options.logger;
  }

  async installations(): Promise<readonly MysqlInstallation[]> {
    return await this.#installations.list();
  }

  async initialize(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void> {
    const installation = await this.#installations.require(spec.majorVersion);
    const place = { directory: serverDirectory(directory), runAs: this.#runAs };
    await initializeServer({ ...place, spec, installation, signal: options.signal });
  }

  async configure(directory: string, spec: ServerSpec): Promise<{ readonly needsRestart: boolean }> {
    const place = serverDirectory(directory);
    const { fileSettings } = await this.#finished(place, spec);
    const configuration: Configuration = {
      directory: place,
      dataDirectory: place.data,
      fileSettings,
      spec,
      installation: await this.#installations.require(spec.majorVersion),
      runAs: this.#runAs,
    };
    if ((await findServer(place)) !== undefined) {
      return await reconfigure(configuration, this.internalAddress(directory, spec));
    }
    await writeConfiguration(configuration);
    return { needsRestart: false };
  }

  /** Also keeps the server's log from growing without end. */
  async status(directory: string): Promise<ServerStatus> {
    const place = serverDirectory(directory);
    await boundLog(place.logFile);
    const pid = await findServer(place);
    if (pid !== undefined) return { state: "running", pid };
    const state = await readServerState(place);
    return { state: state?.state === "ready" ? "stopped" : "absent" };
  }

  async start(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void> {
    const place = serverDirectory(directory);
    await this.#finished(place, spec);
    const request = await this.startRequest(directory, spec, options.signal);
    await startServer(request);
    await using connection = await MysqlConnection.open(request.address, options);
    await admit(connection, spec);
  }

  async stop(directory: string): Promise<void> {
    await stopServer(serverDirectory(directory), this.#logger);
  }

  internalAddress(directory: string, spec: ServerSpec): ServerAddress {
    const { name: user, password } = spec.accounts.internal;
    const place = serverDirectory(path.resolve(directory));
    const whenFull = adminInterface(place);
    return { host: place.socket, port: spec.port, user, password, database: "", tls: { mode: "disable" }, whenFull };
  }

  async newLog(directory: string, offset: number) {
    return await newLogLines(serverDirectory(directory).logFile, offset);
  }

  async recentLog(directory: string, options: { readonly maxLines: number }): Promise<readonly ServerLogLine[]> {
    return await lastLogLines(serverDirectory(directory).logFile, options.maxLines);
  }

  readonly listAccounts = listAccounts;
  readonly putUser = putUser;
  readonly dropUser = dropUser;
  readonly createDatabase = createDatabase;
  readonly dropDatabase = dropDatabase;

  async installation(majorVersion: string): Promise<MysqlInstallation> {
    return await this.#installations.require(majorVersion);
  }

  /** What `startServer` needs for a server under `spec`. */
  async startRequest(directory: string, spec: ServerSpec, signal: AbortSignal): Promise<StartRequest> {
    return {
      directory: serverDirectory(directory),
      installation: await this.#installations.require(spec.majorVersion),
      runAs: this.#runAs,
      address: this.internalAddress(directory, spec),
      logger: this.#logger,
      signal,
    };
  }

  async #finished(directory: ServerDirectory, spec: ServerSpec): Promise<ServerState> {
    const state = await readServerState(directory);
    if (state?.state === "ready" && state.majorVersion === spec.majorVersion) return state;
    throw new BtarError("WRONG_STATE", {
      message: state
        ? `${directory.root} holds a MySQL ${state.majorVersion} that is ${state.state}, not version ${spec.majorVersion}`
        : `${directory.root} holds no finished MySQL server`,
      hint: "initialize the server, or let its recovery end",
    });
  }
}

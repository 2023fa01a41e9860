import { BtarError } from "../../../domain/errors.ts";
import { lsnToSortable, walSegmentStart } from "../../../domain/lsn.ts";
import type { Logger } from "../../../platform/logger.ts";
import type { BaseBackupFacts, RecoveryPlan, ServerAddress } from "../../engine.ts";
import type {
  FeedLog,
  LogRestorer,
  RecoveryProgress,
  RecoveryResult,
  ServerDriver,
  ServerInstallation,
  ServerLogLine,
  ServerSpec,
  ServerStatus,
} from "../../server.ts";
import { boundLog } from "../../server-log-file.ts";
import { recoveryFacts } from "./backup-facts.ts";
import { createDatabase, dropDatabase, dropUser, listAccounts, putUser } from "./accounts.ts";
import { reloadConfiguration, writeConfiguration } from "./configure.ts";
import { readServerState, type ServerDirectory, type ServerState, serverDirectory } from "./directory.ts";
import { checkRestoreOver, controlFile } from "./existing-directory.ts";
import { initializeServer } from "./initialize.ts";
import { type ConfiguredBasedirs, ServerInstallations } from "./installations.ts";
import { WalRestorer } from "./log-restorer.ts";
import { planRecovery, type RecoveryRequest } from "./plan-recovery.ts";
import { findPostmaster, stopPostmaster } from "./postmaster.ts";
import { type PreparationRequest, prepareRecovery } from "./prepare-recovery.ts";
import { checkRecoverable, recoverServer } from "./recover.ts";
import type { RunAs } from "../../run-as.ts";
import { lastLogLines, newLogLines } from "./server-log.ts";
import { startServer } from "./start.ts";
import { tablespacePlaces } from "./tablespaces.ts";

export interface PostgresServerOptions {
  /** Where server programs of npm packages are installed to, such as DATA/servers. */
  readonly serversDirectory: string;
  readonly configuredBasedirs: ConfiguredBasedirs;
  /** From `resolveRunAs`. */
  readonly runAs: RunAs | undefined;
  readonly logger: Logger;
}

/** Runs PostgreSQL 14 to 18 on this host. */
export class PostgresServerDriver implements ServerDriver {
  readonly #installations: ServerInstallations;
  readonly #runAs: RunAs | undefined;
  readonly #logger: Logger;

  constructor(options: PostgresServerOptions) {
    this.#installations = new ServerInstallations(options);
    this.#runAs = options.runAs;
    this.#logger = options.logger;
  }

  async installations(): Promise<readonly ServerInstallation[]> {
    return await this.#installations.list();
  }

  async initialize(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void> {
    const installation = await this.#installations.require(spec.majorVersion);
    const place = { directory: serverDirectory(directory), runAs: this.#runAs };
    await initializeServer({ ...place, spec, installation, signal: options.signal });
  }

  async configure(directory: string, spec: ServerSpec): Promise<{ readonly needsRestart: boolean }> {
    const place = serverDirectory(directory);
    const { walSegmentBytes } = await this.#finished(place, spec);
    const installation = await this.#installations.require(spec.majorVersion);
    await writeConfiguration({
      directory: place,
      dataDirectory: place.data,
      spec,
      walSegmentBytes,
      installation,
      runAs: this.#runAs,
      admission: "everyone",
    });
    if (!(await findPostmaster(place))) return { needsRestart: false };
    return await reloadConfiguration(this.internalAddress(directory, spec));
  }

  /** Also keeps the server's log from growing without end. */
  async status(directory: string): Promise<ServerStatus> {
    const place = serverDirectory(directory);
    await boundLog(place.logFile);
    const postmaster = await findPostmaster(place);
    if (postmaster) return { state: "running", pid: postmaster.pid };
    const state = await readServerState(place);
    return { state: state?.state === "ready" ? "stopped" : "absent" };
  }

  async start(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void> {
    const place = serverDirectory(directory);
    await this.#finished(place, spec);
    await startServer(await this.#startRequest(place, spec, options.signal));
  }

  async stop(directory: string): Promise<void> {
    await stopPostmaster(serverDirectory(directory), this.#logger);
  }

  internalAddress(_directory: string, spec: ServerSpec): ServerAddress {
    const { name: user, password } = spec.accounts.internal;
    return { host: "127.0.0.1", port: spec.port, user, password, database: "postgres", tls: { mode: "disable" } };
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

  filesDirectory(directory: string): string {
    return serverDirectory(directory).data;
  }

  firstLogPosition(facts: BaseBackupFacts): string {
    const { logStart, walSegmentBytes } = recoveryFacts(facts);
    return lsnToSortable(walSegmentStart(logStart, walSegmentBytes));
  }

  gtidBounds(): undefined {
    return undefined;
  }

  async planRecovery(request: RecoveryRequest): Promise<RecoveryPlan> {
    return await planRecovery(request);
  }

  async checkRecoverable(facts: BaseBackupFacts, majorVersion: string): Promise<void> {
    checkRecoverable(facts, majorVersion);
    await this.#installations.require(majorVersion);
  }

  readonly tablespacePlaces = tablespacePlaces;
  readonly checkRestoreOver = checkRestoreOver;
  readonly completedBy = [controlFile];
  /** It syncs its whole directory before it recovers. */
  readonly syncsRestoredFiles = true;

  logRestorer(filesDirectory: string, facts: BaseBackupFacts, plan: RecoveryPlan): LogRestorer {
    return new WalRestorer(filesDirectory, facts, plan);
  }

  async prepareRecovery(filesDirectory: string, request: PreparationRequest): Promise<void> {
    await prepareRecovery(filesDirectory, request);
  }

  async recover(
    directory: string,
    spec: ServerSpec,
    request: {
      readonly facts: BaseBackupFacts;
      readonly plan: RecoveryPlan;
      readonly feedLog?: FeedLog;
      readonly signal: AbortSignal;
      readonly onProgress?: (progress: RecoveryProgress) => void;
    },
  ): Promise<RecoveryResult> {
    const start = await this.#startRequest(serverDirectory(directory), spec, request.signal);
    return await recoverServer({ ...start, ...request, spec });
  }

  async #startRequest(directory: ServerDirectory, spec: ServerSpec, signal: AbortSignal) {
    const installation = await this.#installations.require(spec.majorVersion);
    const address = this.internalAddress(directory.root, spec);
    return { directory, installation, address, runAs: this.#runAs, logger: this.#logger, signal };
  }

  async #finished(directory: ServerDirectory, spec: ServerSpec): Promise<ServerState> {
    const state = await readServerState(directory);
    if (state?.state === "ready" && state.majorVersion === spec.majorVersion) return state;
    throw new BtarError("WRONG_STATE", {
      message: state
        ? `${directory.root} holds a PostgreSQL ${state.majorVersion} that is ${state.state}, not version ${spec.majorVersion}`
        : `${directory.root} holds no finished PostgreSQL server`,
      hint: "initialize the server, or let its recovery end",
    });
  }
}

import type {
  BaseBackupFacts,
  BaseBackupOptions,
  BaseBackupSink,
  LogStream,
  LogStreamOptions,
  PreflightFinding,
  ReservationState,
  ServerAddress,
  ServerIdentity,
  SourceDriver,
  StoredLog,
} from "../engine.ts";
import { type BaseBackupChoices, takeBaseBackup } from "./base-backup.ts";
import { streamLog } from "./binlog/log-stream.ts";
import { MysqlConnection } from "./connection.ts";
import { preflight } from "./preflight.ts";
import { reservationState } from "./reservation.ts";
import { describeServer } from "./server-description.ts";

interface Cancellation {
  readonly signal: AbortSignal;
}

/**
 * Reads running MySQL servers, version 8.0.17 and later, with an account that has BACKUP_ADMIN, REPLICATION SLAVE and
 * REPLICATION CLIENT.
 */
export class MysqlSourceDriver implements SourceDriver {
  readonly #choices: BaseBackupChoices;

  constructor(choices: BaseBackupChoices = {}) {
    this.#choices = choices;
  }

  async removeLeftovers(): Promise<void> {
    await this.#choices.recipient?.removeLeftovers();
  }

  async identify(address: ServerAddress, options: Cancellation): Promise<ServerIdentity> {
    await using session = await MysqlConnection.open(address, options);
    return (await describeServer(session)).identity;
  }

  async preflight(address: ServerAddress, options: Cancellation): Promise<readonly PreflightFinding[]> {
    return await preflight(address, options);
  }

  async takeBaseBackup(
    address: ServerAddress,
    sink: BaseBackupSink,
    options: BaseBackupOptions,
  ): Promise<BaseBackupFacts> {
    return await takeBaseBackup(address, sink, options, this.#choices);
  }

  async streamLog(address: ServerAddress, options: LogStreamOptions): Promise<LogStream> {
    return await streamLog(address, options);
  }

  async reservation(
    address: ServerAddress,
    request: Cancellation & { readonly stored?: Pick<StoredLog, "position"> | undefined },
  ): Promise<ReservationState> {
    return await reservationState(address, request);
  }

  async ensureReservation(): Promise<void> {
    // A server keeps its logs for all who may read them, and for none in particular.
  }

  async dropReservation(): Promise<void> {
    // See `ensureReservation`.
  }
}

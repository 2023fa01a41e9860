import type {
  BaseBackupFacts,
  BaseBackupOptions,
  FileSink,
  LogStream,
  LogStreamOptions,
  PreflightFinding,
  ReservationState,
  ServerAddress,
  ServerIdentity,
  SourceDriver,
} from "../engine.ts";
import { takeBaseBackup } from "./base-backup.ts";
import { streamLog } from "./log-stream.ts";
import { preflight } from "./preflight.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { dropReservation, ensureReservation, type ReservationRequest, reservationState } from "./reservation.ts";
import { describeServer } from "./server-description.ts";

interface Cancellation {
  readonly signal: AbortSignal;
}

/** Reads running PostgreSQL servers, versions 14 to 18, with a role that has LOGIN and REPLICATION. */
export class PostgresSourceDriver implements SourceDriver {
  async removeLeftovers(): Promise<void> {
    // A base backup leaves nothing on the host that it is taken by.
  }

  async identify(address: ServerAddress, options: Cancellation): Promise<ServerIdentity> {
    await using connection = await ReplicationConnection.open(address, options);
    return (await describeServer(connection)).identity;
  }

  async preflight(address: ServerAddress, options: Cancellation): Promise<readonly PreflightFinding[]> {
    return await preflight(address, options);
  }

  async takeBaseBackup(address: ServerAddress, sink: FileSink, options: BaseBackupOptions): Promise<BaseBackupFacts> {
    return await takeBaseBackup(address, sink, options);
  }

  async streamLog(address: ServerAddress, options: LogStreamOptions): Promise<LogStream> {
    return await streamLog(address, options);
  }

  async reservation(address: ServerAddress, request: ReservationRequest): Promise<ReservationState> {
    return await reservationState(address, request);
  }

  async ensureReservation(address: ServerAddress, request: ReservationRequest): Promise<void> {
    await ensureReservation(address, request);
  }

  async dropReservation(address: ServerAddress, request: ReservationRequest): Promise<void> {
    await dropReservation(address, request);
  }
}

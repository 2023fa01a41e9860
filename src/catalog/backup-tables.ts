/** Tables of backups: where they are, what is in them, how sound they are, and how far behind. */
import type { Count, Flag, Json, Moment, MomentOrNull } from "./column-types.ts";

export type LocationRole = "primary" | "secondary";

/** A place that a service's backup is in, and how far its log is stored there. */
export interface LocationTable {
  service_id: string;
  cloud: string;
  role: LocationRole;
  state: "active" | "deleting";
  /** Since when it is not wanted any more, and still serves until others have what it has; null: it is wanted. */
  retiring_since: MomentOrNull;
  is_paused: Flag;
  pause_reason: string | null;
  /** When the copies go, for a location in state `deleting`. */
  delete_after: MomentOrNull;
  /** When the oldest object that this location lacks was stored in the primary; null: it lacks nothing. */
  oldest_missing_at: MomentOrNull;
  /** What it waits for or fails with now; null when all is well. */
  trouble: string | null;
  created_at: Moment;
  /** Days that backups are kept here; null: as the service's. */
  retention_days: number | null;
  /** When a collection was begun here last. */
  collected_at: MomentOrNull;
  /** Newest time of which everything that a restore needs was verified here, when a copy or verification last ended. */
  verified_until: MomentOrNull;
  /** Bytes of log, and of base backups, that have ever arrived here: they only grow. */
  log_bytes_total: Count;
  backup_bytes_total: Count;
  /** Of these, what is there no more: it was removed, or is smaller since it was merged. */
  log_bytes_gone: Count;
  backup_bytes_gone: Count;
}

export type BackupState = "running" | "complete" | "failed" | "deleting";

export interface BaseBackupTable {
  /** Sortable by time: `2026-03-01T03-30-04Z-1f3a`. */
  id: string;
  service_id: string;
  state: BackupState;
  reason: string;
  /** Why it failed. */
  trouble: string | null;
  engine_version: string | null;
  started_at: Moment;
  /** From here on its times can be restored. */
  consistent_at: MomentOrNull;
  completed_at: MomentOrNull;
  log_stream: string | null;
  log_start: string | null;
  log_end: string | null;
  /** Transactions of MySQL that its files hold: all of `gtids_at_least`, no others than those of `gtids_at_most`. */
  gtids_at_least: string | null;
  gtids_at_most: string | null;
  /** What read it, when that was not btar itself, and why. */
  read_by: string | null;
  /** Bytes of the database's files. */
  data_bytes: Count;
  /** Bytes that this backup added to the store. */
  stored_bytes: Count;
  /** Bytes of all packs that it needs, those of earlier backups too; null: not known. */
  pack_bytes: number | null;
  file_count: Count;
  /** Somebody has asked that it stays, until `kept_until` or without end. */
  is_kept: Flag;
  kept_until: MomentOrNull;
}

/** `deleted`: it was there, or is not to come there any more. */
export type BackupLocationState = "waiting" | "copying" | "complete" | "failed" | "deleting" | "deleted";

export interface BackupLocationTable {
  backup_id: string;
  service_id: string;
  cloud: string;
  role: LocationRole;
  state: BackupLocationState;
  done_bytes: Count;
  total_bytes: Count;
  /** Bytes that really went to this location. */
  sent_bytes: Count;
  trouble: string | null;
  started_at: MomentOrNull;
  completed_at: MomentOrNull;
  /** Why it goes, for one that is `deleting` or `deleted`. */
  delete_reason: "retention" | "request" | null;
}

/** Log stored at a location without a gap. */
export interface LogRangeTable {
  service_id: string;
  cloud: string;
  stream: string;
  /** Position, sortable text of the engine. */
  start_position: string;
  end_position: string;
  /** Newest commit in it, microseconds since 1970, as text (64 bits). */
  newest_commit_micros: string | null;
  /** All that was committed by then lies in the range. */
  covered_until: MomentOrNull;
  /** When the last piece was stored at this location. */
  stored_at: Moment;
  /** Of all that was stored, removed pieces included. */
  piece_count: Count;
  stored_bytes: Count;
}

/** What is kept of a stream's log at a location, as it was decided last; older log is not copied there again. */
export interface LogRetentionTable {
  service_id: string;
  cloud: string;
  stream: string;
  spans: Json<readonly { readonly start: string; readonly end?: string | undefined }[]>;
}

/** How far verification is at a location. */
export interface VerificationTable {
  service_id: string;
  cloud: string;
  /** When it was last checked that everything is there. */
  structure_at: MomentOrNull;
  structure_objects: Count;
  /** Bytes of packs and of log that were there then; null: not counted yet. */
  pack_bytes: number | null;
  log_bytes: number | null;
  /** What had arrived at the location by then, less what was gone. */
  backup_bytes_net: number | null;
  log_bytes_net: number | null;
  /** The object whose data was read last; null: the next is the first one. */
  data_after: string | null;
  data_round_started_at: MomentOrNull;
  /** Everything that is older was read, and is sound or in `damaged_object`. */
  data_verified_at: MomentOrNull;
  /** The job that reads, or read last, and how much of its share it has read. */
  job_id: string | null;
  job_bytes: Count;
}

/** An object that is missing, damaged or btar's not at all. */
export interface DamagedObjectTable {
  service_id: string;
  cloud: string;
  key: string;
  kind: "missing" | "damaged" | "stray";
  what: string;
  /** Base backups that cannot be restored because of it. */
  backups: Json<readonly string[]>;
  /** Log that cannot be read because of it. */
  log_stream: string | null;
  log_start: string | null;
  log_end: string | null;
  /** The newest commit before that log. */
  log_after: MomentOrNull;
  found_at: Moment;
}

export interface LagSampleTable {
  service_id: string;
  cloud: string;
  at: Moment;
  lag_seconds: number;
  rpo_seconds: number | null;
}

/** How much a location holds and lacks, and has ever got. */
export interface StoreSampleTable {
  service_id: string;
  cloud: string;
  at: Moment;
  /** Of all that has ever arrived. */
  log_bytes: number;
  backup_bytes: number;
  held_bytes: number;
  /** Of the primary's; null for the primary itself. */
  lacking_bytes: number | null;
}

/** What a managed server needed during some seconds; null where it cannot be measured. */
export interface MetricSampleTable {
  service_id: string;
  at: Moment;
  /** Percent of the plan's cores. */
  cpu_usage: number | null;
  /** Percent of the plan's memory. */
  mem_usage: number | null;
  /** Percent of the service's disk space. */
  disk_usage: number | null;
  /** Bytes a second that were really read from disks. */
  diskio_read: number | null;
  diskio_writes: number | null;
  /** Of the host, over a minute. */
  load_average: number | null;
}

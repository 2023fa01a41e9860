/**
 * The tables of the catalog: what btar knows. All of it can be rebuilt from the stores and the master key, except
 * people's accounts and tokens. Times are `timestamptz`, sizes bytes as bigint, secrets sealed with the master key.
 */
import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { AgentFigures } from "../domain/agent-figures.ts";
import type { EngineName } from "../domain/engine-name.ts";
import type { EventSeverity } from "../domain/event-kinds.ts";
import type { ProjectRole } from "../domain/roles.ts";

/** Written as Date or ISO text, read as Date. */
type Moment = ColumnType<Date, Date | string, Date | string>;
type MomentOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** `bigint` in SQL, number here: sizes and counts stay below 2^53. */
type Count = ColumnType<number, number | undefined, number>;
type Flag = ColumnType<boolean, boolean | undefined, boolean>;
type Json<T extends object> = JSONColumnType<T, string, string>;
type JsonOrNull<T extends object> = ColumnType<T | null, string | null | undefined, string | null>;

export interface Tables {
  project: ProjectTable;
  person: PersonTable;
  project_member: ProjectMemberTable;
  access_token: AccessTokenTable;
  service: ServiceTable;
  service_user: ServiceUserTable;
  service_database: ServiceDatabaseTable;
  location: LocationTable;
  base_backup: BaseBackupTable;
  backup_location: BackupLocationTable;
  log_range: LogRangeTable;
  log_retention: LogRetentionTable;
  lag_sample: LagSampleTable;
  store_sample: StoreSampleTable;
  metric_sample: MetricSampleTable;
  server_log: ServerLogTable;
  service_task: ServiceTaskTable;
  job: JobTable;
  event: EventTable;
  audit: AuditTable;
  notification_destination: NotificationDestinationTable;
  notification_delivery: NotificationDeliveryTable;
  told_trouble: ToldTroubleTable;
  agent: AgentTable;
  cloud_state: CloudStateTable;
  duty_lease: DutyLeaseTable;
  store_use: StoreUseTable;
  verification: VerificationTable;
  damaged_object: DamagedObjectTable;
  setting: SettingTable;
}

export interface ProjectTable {
  name: string;
  default_cloud: string;
  /** PEM of the authority that signs the certificates of managed servers. */
  ca_certificate: string;
  sealed_ca_key: string;
  tags: Json<Record<string, string>>;
  created_at: Moment;
}

/** Somebody who uses the API. */
export interface PersonTable {
  id: string;
  /** In lower case; people log in with it, and tokens and events name them by it. */
  email: string;
  real_name: string;
  /** Of argon2id; null: nobody can log in with a password. */
  password_hash: string | null;
  state: ColumnType<PersonState, PersonState | undefined, PersonState>;
  /** May do everything, in all projects. */
  is_super_admin: Flag;
  created_at: ColumnType<Date, Date | undefined, never>;
}

export type PersonState = "active" | "disabled";

/** What somebody may do in a project. */
export interface ProjectMemberTable {
  project: string;
  person_id: string;
  role: ProjectRole;
  created_at: ColumnType<Date, Date | undefined, never>;
}

/** Tokens are stored as SHA-256; the text is shown once. */
export interface AccessTokenTable {
  prefix: string;
  sha256: string;
  /** Of the person that it stands for. */
  user_email: string;
  description: string;
  created_at: Moment;
  expires_at: MomentOrNull;
  max_age_seconds: number | null;
  extend_when_used: Flag;
  /** False for tokens that a login made. */
  created_manually: Flag;
  /** No more than this, whatever its person may do; null: all of that. */
  role: ColumnType<ProjectRole | null, ProjectRole | null | undefined, never>;
  /** In this project only; null: wherever its person may. */
  project: ColumnType<string | null, string | null | undefined, never>;
  last_used_at: MomentOrNull;
  last_user_agent: string | null;
  last_ip: string | null;
}

export type ServiceState = "REBUILDING" | "RUNNING" | "REBALANCING" | "POWEROFF";
export type ServiceKind = "managed" | "attached";

export interface ServiceTable {
  /** UUID; the name of the service's folder in every store. */
  id: string;
  project: string;
  name: string;
  engine: EngineName;
  kind: ServiceKind;
  /** Where it runs, or for an attached one the cloud whose store holds its primary backup. */
  cloud: string;
  plan: string;
  /** Major version, as text: `18`. */
  version: string;
  /** What was asked for, checked; defaults are not stored. */
  user_config: Json<Record<string, unknown>>;
  state: ServiceState;
  /** Why it is not as it should be; null when all is well. */
  trouble: string | null;
  /** What should be; `state` is what is. */
  is_powered: Flag;
  termination_protection: Flag;
  maintenance: Json<{ dow: string; time: string }>;
  tags: Json<Record<string, string>>;
  tech_emails: ColumnType<readonly { readonly email: string }[], string | undefined, string>;
  disk_space_mb: number;
  /** Where clients connect; null until it is known. */
  host: string | null;
  port: number | null;
  /** JSON of ServiceSecrets, sealed. */
  sealed_secrets: string;
  /** The agent (id) whose host holds a managed service's server. */
  agent_id: string | null;
  forked_from: JsonOrNull<ForkOrigin>;
  /** Who the server says it is; changes when somebody replaced the database. */
  system_id: string | null;
  /** Increases with each change that an agent must carry out; `applied_generation` follows. */
  generation: Count;
  applied_generation: Count;
  created_at: Moment;
  updated_at: Moment;
  /** When it was rebuilt from a store: btar runs no server of it, and removes nothing of it by itself. */
  rebuilt_at: MomentOrNull;
  /** When an additional cloud was added last. */
  regions_changed_at: MomentOrNull;
  /** Set when it is being deleted; its name is free again at once. */
  deleted_at: MomentOrNull;
}

/** Secrets of a service; sealed in the catalog. */
export interface ServiceSecrets {
  readonly adminUser: string;
  readonly adminPassword: string;
  /** `admin_password` of the request that created it: clients expect it back as they gave it. */
  readonly askedAdminPassword?: string | undefined;
  /** btar's own account on a managed server. */
  readonly internalPassword: string;
  /** How an attached server is reached (with password). */
  readonly attachedUri?: string | undefined;
  /** PEM of the authority to trust for an attached server. */
  readonly attachedCa?: string | undefined;
  readonly tlsCertificate?: string | undefined;
  readonly tlsPrivateKey?: string | undefined;
}

export interface ForkOrigin {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly project: string;
  /** Where the source ran, or the cloud of its primary backup. */
  readonly sourceCloud?: string | undefined;
  /** The source's cloud did not answer when the fork was asked for. */
  readonly sourceWasDown?: boolean | undefined;
  /** The location that the fork was restored from. */
  readonly cloud: string;
  readonly backupId: string;
  /** ISO time, GTID, `latest`, or `backup-end`. */
  readonly target: string;
  /** Filled in when recovery has ended. */
  readonly stoppedAt?: string | undefined;
  /** The same as the engine orders it: the source's log that the fork holds ends there. */
  readonly stoppedIn?: { readonly stream: string; readonly position: string } | undefined;
  readonly lastCommitAt?: string | undefined;
  readonly lastGtid?: string | undefined;
}

export interface ServiceUserTable {
  service_id: string;
  name: string;
  sealed_password: string;
  is_admin: Flag;
  created_at: Moment;
}

export interface ServiceDatabaseTable {
  service_id: string;
  name: string;
  created_at: Moment;
}

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

/** Lines of a managed server's log that came together; only the newest are kept. */
export interface ServerLogTable {
  service_id: string;
  /** Number of the first one; the service's first line ever has 1. */
  first_line: number;
  line_count: number;
  /** JSON of the lines, sealed: statements that failed are in it, with what people wrote there. */
  sealed_lines: string;
  /** Where reading of the server's log goes on, bytes. */
  file_offset: number;
  stored_at: Moment;
}

/** A question that a client asked about a service, and its answer. */
export interface ServiceTaskTable {
  id: string;
  service_id: string;
  task_type: string;
  is_success: boolean;
  result: string;
  created_at: Moment;
}

export type JobState = "queued" | "running" | "waiting" | "complete" | "failed" | "cancelled";

export interface JobProgress {
  /** What goes on, in words: `copying packs`. */
  readonly phase: string;
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  readonly unit?: "bytes" | "objects" | "fraction" | undefined;
  /** Position of replay or the like, for people. */
  readonly detail?: string | undefined;
}

/** The same with when its phase began, and how much was done then: the rate of it can be told. */
export interface ShownProgress extends JobProgress {
  /** ISO time; absent in what earlier versions have written. */
  readonly since?: string | undefined;
  readonly doneBefore?: number | undefined;
}

export interface JobTable {
  /** Also the id of the job in the queue. */
  id: string;
  kind: string;
  project: string;
  service_id: string | null;
  service_name: string | null;
  cloud: string;
  state: JobState;
  input: Json<Record<string, unknown>>;
  result: JsonOrNull<Record<string, unknown>>;
  progress: JsonOrNull<ShownProgress>;
  /** Why it waits, or why it failed. */
  trouble: string | null;
  error_code: string | null;
  attempts: Count;
  is_cancel_requested: Flag;
  created_at: Moment;
  started_at: MomentOrNull;
  finished_at: MomentOrNull;
}

export interface EventTable {
  id: Generated<number>;
  at: Moment;
  project: string;
  service_id: string | null;
  service_name: string | null;
  /** Stable word: `service_create`, `backup_complete`, `slot_holds_wal`, … */
  kind: string;
  severity: EventSeverity;
  message: string;
  /** E-mail of whoever asked, or `btar`. */
  actor: string;
}

/** Who is told of a project's events. */
export interface NotificationDestinationTable {
  id: string;
  project: string;
  name: string;
  kind: "webhook" | "email";
  is_enabled: Flag;
  severities: ColumnType<EventSeverity[], EventSeverity[], EventSeverity[]>;
  /** Null: all. */
  event_kinds: ColumnType<string[] | null, string[] | null, string[] | null>;
  /** For people; without secrets. */
  shown_target: string;
  /** JSON of NotificationTarget, sealed. */
  sealed_target: string;
  created_at: ColumnType<Date, Date | undefined, never>;
}

type DeliveryState = "waiting" | "delivered" | "failed";

/** An event that is to be told, or was; also the log of that. */
export interface NotificationDeliveryTable {
  id: string;
  destination_id: string;
  /** Null: it was sent to try the destination. */
  event_id: number | null;
  state: ColumnType<DeliveryState, DeliveryState | undefined, DeliveryState>;
  attempts: Count;
  next_attempt_at: ColumnType<Date, Date | undefined, Date>;
  /** What came of the last attempt, for people. */
  result: string | null;
  created_at: ColumnType<Date, Date | undefined, never>;
  finished_at: MomentOrNull;
}

/** Trouble that lasts, so that it is told once. */
export interface ToldTroubleTable {
  /** What it is of: `service ID`, `location ID CLOUD`, `job ID`. */
  subject: string;
  since: Moment;
  told_at: MomentOrNull;
}

/** Who did what; the database takes new rows, and an outcome for those that have none. */
export interface AuditTable {
  id: Generated<number>;
  at: ColumnType<Date, Date | undefined, never>;
  /** E-mail; null for a login that failed. */
  actor: string | null;
  token_prefix: string | null;
  address: string;
  method: string;
  route: string;
  project: string | null;
  service: string | null;
  summary: string;
  request_id: string;
  /** Of HTTP; null: not known yet, or never. */
  status: number | null;
  error_code: string | null;
}

/** A living region agent. */
export interface AgentTable {
  id: string;
  cloud: string;
  host: string;
  pid: number;
  version: string;
  /** Major versions it can run managed servers of, by engine. */
  engines: Json<Record<string, readonly string[]>>;
  /** Null: it has not told any yet. */
  figures: JsonOrNull<AgentFigures>;
  started_at: Moment;
  seen_at: Moment;
}

/** What the cloud's own agents last found about its store. */
export interface CloudStateTable {
  cloud: string;
  is_store_up: boolean;
  trouble: string | null;
  /** Since when it is as it is. */
  since: Moment;
  checked_at: Moment;
  /** Identity of the store when it was first used: a store that vanished must not come back empty. */
  is_initialized: Flag;
}

/** Who carries out a continuous duty for a service in a cloud; whoever lets it expire has lost it. */
export interface DutyLeaseTable {
  duty: string;
  service_id: string;
  cloud: string;
  holder: string;
  expires_at: Moment;
}

/**
 * Who writes a service's backups into a store, or removes some: `write` any number at once, `collect` and `remove` one
 * alone. Whoever lets it expire has lost it.
 */
export interface StoreUseTable {
  service_id: string;
  cloud: string;
  holder: string;
  purpose: "write" | "collect" | "remove";
  expires_at: Moment;
}

export interface SettingTable {
  key: string;
  value: string;
}

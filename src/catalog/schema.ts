/**
 * The tables of the catalog: what btar knows. All of it can be rebuilt from the stores and the master key, except
 * people's accounts and tokens. Times are `timestamptz`, sizes bytes as bigint, secrets sealed with the master key.
 */
import type { ColumnType, Generated } from "kysely";
import type { EngineName } from "../domain/engine-name.ts";
import type { EventSeverity } from "../domain/event-kinds.ts";
import type { ProjectRole } from "../domain/roles.ts";
import type {
  BackupLocationTable,
  BaseBackupTable,
  DamagedObjectTable,
  LagSampleTable,
  LocationTable,
  LogRangeTable,
  LogRetentionTable,
  MetricSampleTable,
  StoreSampleTable,
  VerificationTable,
} from "./backup-tables.ts";
import type { Count, Flag, Json, JsonOrNull, Moment, MomentOrNull } from "./column-types.ts";
import type { AgentTable, CloudStateTable, DutyLeaseTable, JobTable, StoreUseTable } from "./work-tables.ts";

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

export interface SettingTable {
  key: string;
  value: string;
}

/** The parts of the API's answers that commands show. */

export interface ServiceAnswer {
  readonly service_name: string;
  readonly service_type: string;
  readonly service_kind: string;
  readonly state: string;
  readonly trouble: string | null;
  readonly plan: string;
  readonly cloud_name: string;
  readonly create_time: string;
  readonly service_uri: string | null;
  readonly termination_protection: boolean;
  readonly user_config: Readonly<Record<string, unknown>>;
  readonly databases: readonly string[];
  readonly users: readonly { readonly username: string; readonly type: string }[];
  readonly forked_from: Readonly<Record<string, string>> | null;
}

export interface BackupAnswer {
  readonly backup_name: string;
  readonly backup_time: string;
  readonly data_size: number;
  readonly stored_size: number;
  readonly state: string;
  readonly reason: string;
  readonly trouble: string | null;
  readonly locations: readonly BackupLocationAnswer[];
}

export interface BackupLocationAnswer {
  readonly cloud: string;
  readonly role: string;
  readonly state: string;
  readonly done_bytes: number;
  readonly total_bytes: number;
  readonly trouble: string | null;
}

export interface JobAnswer {
  readonly id: string;
  readonly kind: string;
  readonly service_name: string | null;
  readonly cloud_name: string;
  readonly state: string;
  readonly progress: {
    readonly phase: string;
    readonly done?: number;
    readonly total?: number;
    readonly unit?: string;
    readonly detail?: string;
  } | null;
  readonly trouble: string | null;
  readonly error_code: string | null;
  readonly attempts: number;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly create_time: string;
  readonly finish_time: string | null;
}

export interface ProtectionAnswer {
  readonly service_name: string;
  readonly service_kind: string;
  readonly cloud_name: string;
  readonly state: string;
  readonly trouble: string | null;
  readonly locations: readonly LocationAnswer[];
}

export interface LocationAnswer {
  readonly cloud: string;
  readonly role: string;
  readonly state: string;
  readonly paused: boolean;
  readonly trouble: string | null;
  readonly delete_after: string | null;
  readonly replication_lag_seconds: number | null;
  readonly rpo_seconds: number | null;
  readonly recovery_window: { readonly earliest_at: string; readonly latest_at: string } | null;
  readonly complete_backups: number;
}

export interface CloudStateAnswer {
  readonly cloud_name: string;
  readonly is_up: boolean;
  readonly trouble: string | null;
  readonly agents: readonly { readonly agent_id: string; readonly host: string; readonly pid: number }[];
}

export interface EventAnswer {
  readonly time: string;
  readonly severity: string;
  readonly event_type: string;
  readonly service_name: string | null;
  readonly event_desc: string;
  readonly actor: string;
}

/** Fields whose values say what is asked for; of all others, only that they are there. None of them holds a secret. */
const toldFields = new Set([
  ...[
    "service_name",
    "service_id",
    "service_type",
    "plan",
    "cloud",
    "location",
    "directory",
    "database",
    "username",
    "operation",
  ],
  ...["email", "user_email", "member_type", "state", "is_super_admin", "role", "project", "copy_from_project"],
  ...[
    "max_age_seconds",
    "extend_when_used",
    "powered",
    "termination_protection",
    "disk_space_mb",
    "kept",
    "keep_until",
  ],
  ...["paused", "pause_reason", "retention_days", "target_time", "target_gtid", "backup_name", "delta", "force_last"],
  ...["read_data_percent", "task_type", "target_version", "additional_backup_regions", "backup_retention_days"],
  ...["backup_hour", "backup_minute", "backup_interval_hours", "pg_version", "mysql_version", "service_to_fork_from"],
  ...[
    "name",
    "type",
    "severities",
    "event_types",
    "enabled",
    "project_to_fork_from",
    "recovery_target_time",
    "recovery_target_gtid",
    "recovery_basebackup_name",
  ],
]);

/** Parts of paths that have columns of their own. */
const ownColumns = new Set(["project", "service"]);

const longestValue = 200;
const longestSummary = 2000;
/** A token may be named by its whole text, which must not be told. */
const longestPrefix = 12;

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a request asks for, in one line: names of fields, and values where these are no secrets.
 * @param request.params of the path
 */
export function auditSummary(request: {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}): string {
  const names = Object.entries(fieldsOf(request.params)).filter(([key]) => !ownColumns.has(key));
  const parts = [
    ...names.map(([key, value]) => (key === "token" ? tokenName(String(value)) : `${key}=${cut(String(value))}`)),
    ...fieldParts(fieldsOf(request.query)).filter((part) => part.includes("=")),
    ...fieldParts(fieldsOf(request.body)),
  ];
  const text = parts.join(", ");
  return text.length > longestSummary ? `${text.slice(0, longestSummary).toWellFormed()}…` : text;
}

function fieldParts(fields: Fields, above = ""): readonly string[] {
  return Object.entries(fields).flatMap(([key, value]) => {
    const name = `${above}${key}`;
    if (key === "user_config") return fieldParts(fieldsOf(value), `${key}.`);
    return toldFields.has(key) ? [`${name}=${cut(valueText(value))}`] : [name];
  });
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function cut(text: string): string {
  return text.length > longestValue ? `${text.slice(0, longestValue).toWellFormed()}…` : text;
}

function tokenName(text: string): string {
  return text.length > longestPrefix ? "token" : `token=${text}`;
}

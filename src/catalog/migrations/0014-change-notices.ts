import type { Kysely } from "kysely";
import { sql } from "kysely";

/** Of each table what others act upon: progress, signs of life and the like are written all the time, and tell nothing. */
const told: readonly { readonly table: string; readonly columns: readonly string[] }[] = [
  { table: "job", columns: ["state", "is_cancel_requested"] },
  {
    table: "service",
    columns: [
      ...["state", "is_powered", "user_config", "generation", "applied_generation", "agent_id", "deleted_at"],
      ...["termination_protection", "rebuilt_at"],
    ],
  },
  {
    table: "location",
    columns: ["role", "state", "is_paused", "retiring_since", "delete_after", "collected_at", "retention_days"],
  },
  { table: "base_backup", columns: ["state"] },
  { table: "backup_location", columns: ["state", "completed_at"] },
  { table: "agent", columns: ["cloud", "started_at"] },
  { table: "cloud_state", columns: ["is_store_up", "trouble"] },
  { table: "notification_delivery", columns: ["state", "next_attempt_at"] },
  { table: "notification_destination", columns: ["is_enabled"] },
];

const statements = [
  // PostgreSQL sends equal notices of one transaction once.
  `create function tell_change() returns trigger language plpgsql as $$
   begin
     perform pg_notify('btar_changes', tg_table_name);
     return null;
   end $$`,
  ...told.flatMap(({ table, columns }) => {
    const all = (row: string) => columns.map((column) => `${row}.${column}`).join(", ");
    return [
      `create trigger tell_rows after insert or delete on ${table} for each row execute function tell_change()`,
      `create trigger tell_changes after update on ${table} for each row
         when (row(${all("old")}) is distinct from row(${all("new")})) execute function tell_change()`,
    ];
  }),
];

/** Servers hear of changes, and need not look for them each second. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

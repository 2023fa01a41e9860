import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `alter table base_backup
     add column is_kept boolean not null default false,
     add column kept_until timestamptz`,
  `alter table backup_location
     drop constraint backup_location_state_check,
     add constraint backup_location_state_check
       check (state in ('waiting', 'copying', 'complete', 'failed', 'deleting', 'deleted')),
     add column delete_reason text check (delete_reason in ('retention', 'request'))`,
  `alter table location
     add column retention_days integer check (retention_days > 0),
     add column collected_at timestamptz`,
  `create table log_retention (
     service_id uuid not null references service on delete cascade,
     cloud text not null,
     stream text not null collate "C",
     spans jsonb not null,
     primary key (service_id, cloud, stream))`,
  `create table store_use (
     service_id uuid not null references service on delete cascade,
     cloud text not null,
     holder text not null,
     purpose text not null check (purpose in ('write', 'collect', 'remove')),
     expires_at timestamptz not null,
     primary key (service_id, cloud, holder))`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

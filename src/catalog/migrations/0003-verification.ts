import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `create table verification (
     service_id uuid not null,
     cloud text not null,
     structure_at timestamptz,
     structure_objects bigint not null default 0,
     data_after text,
     data_round_started_at timestamptz,
     data_verified_at timestamptz,
     job_id uuid,
     job_bytes bigint not null default 0,
     primary key (service_id, cloud),
     foreign key (service_id, cloud) references location on delete cascade)`,
  `create table damaged_object (
     service_id uuid not null,
     cloud text not null,
     key text not null,
     kind text not null check (kind in ('missing', 'damaged', 'stray')),
     what text not null,
     backups jsonb not null,
     log_stream text collate "C",
     log_start text collate "C",
     log_end text collate "C",
     log_after timestamptz,
     found_at timestamptz not null,
     primary key (service_id, cloud, key),
     foreign key (service_id, cloud) references location on delete cascade)`,
  "alter table location add column verified_until timestamptz",
];

/** What verification found in the stores, and how far it is. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

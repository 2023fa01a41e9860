import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `create table person (
     id uuid primary key,
     email text not null unique check (email = lower(email)),
     real_name text not null,
     password_hash text,
     state text not null default 'active' check (state in ('active', 'disabled')),
     created_at timestamptz not null default now())`,
  // Until now a token's e-mail was only a name.
  "update access_token set user_email = lower(user_email)",
  `insert into person (id, email, real_name)
     select gen_random_uuid(), user_email, user_email from access_token group by user_email`,
  `alter table access_token
     add foreign key (user_email) references person (email) on update cascade on delete cascade`,
  "alter table service add column tech_emails jsonb not null default '[]'",
  `create table server_log (
     service_id uuid not null references service on delete cascade,
     first_line bigint not null,
     line_count integer not null,
     sealed_lines text not null,
     file_offset bigint not null,
     stored_at timestamptz not null default now(),
     primary key (service_id, first_line))`,
  `create table metric_sample (
     service_id uuid not null references service on delete cascade,
     at timestamptz not null,
     cpu_usage double precision,
     mem_usage double precision,
     disk_usage double precision,
     diskio_read double precision,
     diskio_writes double precision,
     load_average double precision,
     primary key (service_id, at))`,
  `create table service_task (
     id uuid primary key,
     service_id uuid not null references service on delete cascade,
     task_type text not null,
     is_success boolean not null,
     result text not null,
     created_at timestamptz not null default now())`,
  "create index service_task_service on service_task (service_id)",
];

/** Who uses the API, and what managed servers say and need. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `create table notification_destination (
     id uuid primary key,
     project text not null references project on delete cascade,
     name text not null,
     kind text not null check (kind in ('webhook', 'email')),
     is_enabled boolean not null default true,
     severities text[] not null,
     event_kinds text[],
     shown_target text not null,
     sealed_target text not null,
     created_at timestamptz not null default now(),
     unique (project, name))`,
  `create table notification_delivery (
     id uuid primary key,
     destination_id uuid not null references notification_destination on delete cascade,
     event_id bigint references event on delete cascade,
     state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
     attempts integer not null default 0,
     next_attempt_at timestamptz not null default now(),
     result text,
     created_at timestamptz not null default now(),
     finished_at timestamptz)`,
  `create index notification_delivery_due on notification_delivery (destination_id, next_attempt_at)
     where state = 'waiting'`,
  "create index notification_delivery_log on notification_delivery (destination_id, created_at desc)",
  "create index notification_delivery_event on notification_delivery (event_id)",
  `create table told_trouble (
     subject text primary key,
     since timestamptz not null,
     told_at timestamptz)`,
];

/** Who is told of which events, and what was told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

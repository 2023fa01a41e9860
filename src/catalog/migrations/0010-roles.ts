import type { Kysely } from "kysely";
import { sql } from "kysely";

const roles = "('read_only', 'developer', 'operator', 'admin')";

const statements = [
  "alter table person add column is_super_admin boolean not null default false",
  // Until now everybody could do everything.
  "update person set is_super_admin = true",
  `create table project_member (
     project text not null references project on delete cascade,
     person_id uuid not null references person on delete cascade,
     role text not null check (role in ${roles}),
     created_at timestamptz not null default now(),
     primary key (project, person_id))`,
  "create index project_member_person on project_member (person_id)",
  `alter table access_token
     add column role text check (role in ${roles}),
     add column project text references project on delete cascade`,
];

/** Who may do what in which project. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

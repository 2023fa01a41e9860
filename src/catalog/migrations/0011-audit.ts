import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `create table audit (
     id bigint generated always as identity primary key,
     at timestamptz not null default now(),
     actor text,
     token_prefix text,
     address text not null,
     method text not null,
     route text not null,
     project text,
     service text,
     summary text not null,
     request_id uuid not null,
     status integer,
     error_code text)`,
  "create index audit_project on audit (project, id)",
  "create index audit_at on audit (at)",
  // An outcome is added once; what is older than a month may go. Nobody changes anything else, however it is asked for.
  `create function audit_is_append_only() returns trigger language plpgsql as $$
   begin
     if tg_op = 'DELETE' and old.at < now() - interval '30 days' then return old; end if;
     if tg_op = 'UPDATE' and old.status is null and new.status is not null
       and to_jsonb(new) - '{status,error_code}'::text[] = to_jsonb(old) - '{status,error_code}'::text[]
     then return new; end if;
     raise exception 'the audit log is append-only' using hint = 'entries may be deleted when they are 30 days old';
   end $$`,
  `create trigger audit_rows before update or delete on audit
     for each row execute function audit_is_append_only()`,
  `create trigger audit_table before truncate on audit
     for each statement execute function audit_is_append_only()`,
];

/** Who did what. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  `alter table location
     add column log_bytes_total bigint not null default 0,
     add column log_bytes_gone bigint not null default 0,
     add column backup_bytes_total bigint not null default 0,
     add column backup_bytes_gone bigint not null default 0`,
  `update location set
     log_bytes_total = (select coalesce(sum(stored_bytes), 0) from log_range
       where log_range.service_id = location.service_id and log_range.cloud = location.cloud),
     backup_bytes_total = (select coalesce(sum(sent_bytes), 0) from backup_location copy
       where copy.service_id = location.service_id and copy.cloud = location.cloud and copy.state = 'complete')`,
  "alter table base_backup add column pack_bytes bigint",
  // A copy has counted all packs that it needs.
  `update base_backup set pack_bytes = (select max(total_bytes) from backup_location copy
     where copy.backup_id = base_backup.id and copy.role = 'secondary' and copy.state = 'complete')`,
  `alter table verification
     add column pack_bytes bigint,
     add column log_bytes bigint,
     add column backup_bytes_net bigint,
     add column log_bytes_net bigint`,
  `create table store_sample (
     service_id uuid not null references service on delete cascade,
     cloud text not null,
     at timestamptz not null,
     log_bytes bigint not null,
     backup_bytes bigint not null,
     held_bytes bigint not null,
     lacking_bytes bigint,
     primary key (service_id, cloud, at))`,
  "alter table agent add column figures jsonb",
];

/** How much is stored, arrives and is still to be copied, and what agents need for it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

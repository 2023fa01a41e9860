import { sql } from "kysely";
import type { EventKind, EventSeverity } from "../domain/event-kinds.ts";
import type { CatalogDatabase } from "./catalog.ts";

export interface EventContent {
  readonly project: string;
  readonly service?: { readonly id: string; readonly name: string } | undefined;
  readonly kind: EventKind;
  readonly severity: EventSeverity;
  readonly message: string;
  /** E-mail of whoever asked; `btar` when it acts by itself. */
  readonly actor?: string;
}

/**
 * Records something that an operator would want to know, and with it, in one statement, what is to be sent of it: so
 * nothing that is recorded goes untold, whenever a process ends.
 */
export async function recordEvent(db: CatalogDatabase, event: EventContent): Promise<void> {
  const { project, service, kind, severity, message, actor = "btar" } = event;
  await sql`
    with recorded as (
      insert into event (at, project, service_id, service_name, kind, severity, message, actor)
      values (${new Date()}, ${project}, ${service?.id ?? null}::uuid, ${service?.name ?? null}, ${kind}, ${severity},
        ${message}, ${actor})
      returning id)
    insert into notification_delivery (id, destination_id, event_id)
    select gen_random_uuid(), destination.id, recorded.id
    from recorded, notification_destination destination
    where destination.project = ${project} and destination.is_enabled
      and ${severity} = any(destination.severities)
      and (destination.event_kinds is null or ${kind} = any(destination.event_kinds))`.execute(db);
}

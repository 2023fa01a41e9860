import type { CatalogDatabase } from "./catalog.ts";
import type { EventSeverity } from "./schema.ts";

export interface EventContent {
  readonly project: string;
  readonly service?: { readonly id: string; readonly name: string } | undefined;
  /** Stable word, such as `backup_complete`. */
  readonly kind: string;
  readonly severity: EventSeverity;
  readonly message: string;
  /** E-mail of whoever asked; `btar` when it acts by itself. */
  readonly actor?: string;
}

/** Records something that an operator would want to know. */
export async function recordEvent(db: CatalogDatabase, event: EventContent): Promise<void> {
  await db
    .insertInto("event")
    .values({
      at: new Date(),
      project: event.project,
      service_id: event.service?.id ?? null,
      service_name: event.service?.name ?? null,
      kind: event.kind,
      severity: event.severity,
      message: event.message,
      actor: event.actor ?? "btar",
    })
    .execute();
}

import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { EventSeverity } from "../domain/event-kinds.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { NotificationDeliveryTable } from "./schema.ts";

export type Delivery = Selectable<NotificationDeliveryTable>;

/** Whoever takes a delivery has so long for it, before another server takes it. */
const claimSeconds = 120;
/** Of one destination at a time: one that hangs keeps no others waiting. */
const atOnce = 5;

/** An event, as it is told. */
export interface ToldEvent {
  readonly id: number;
  readonly at: Date;
  readonly project: string;
  readonly service_name: string | null;
  readonly kind: string;
  readonly severity: EventSeverity;
  readonly message: string;
  readonly actor: string;
}

/** What is to be sent now. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly destination_id: string;
  readonly sealed_target: string;
  readonly project: string;
  readonly name: string;
  /** This one included. */
  readonly attempts: number;
  readonly created_at: Date;
  readonly event: ToldEvent;
}

/** Takes deliveries that are due, so that no other server takes them meanwhile. */
export async function claimDeliveries(db: CatalogDatabase): Promise<readonly ClaimedDelivery[]> {
  const { rows } = await sql<Omit<ClaimedDelivery, "event"> & { event: ToldEvent & { at: string } }>`
    with due as (
      select chosen.id from notification_destination destination
      cross join lateral (
        select id from notification_delivery
        where destination_id = destination.id and state = 'waiting' and next_attempt_at <= now()
        order by next_attempt_at, id limit ${atOnce} for update skip locked) chosen
      where destination.is_enabled),
    claimed as (
      update notification_delivery set attempts = attempts + 1,
        next_attempt_at = now() + make_interval(secs => ${claimSeconds})
      from due where notification_delivery.id = due.id
      returning notification_delivery.*)
    select claimed.id, claimed.destination_id, destination.sealed_target, destination.project, destination.name,
      claimed.attempts, claimed.created_at,
      jsonb_build_object('id', event.id, 'at', event.at, 'project', event.project, 'service_name', event.service_name,
        'kind', event.kind, 'severity', event.severity, 'message', event.message, 'actor', event.actor) as event
    from claimed
    join notification_destination destination on destination.id = claimed.destination_id
    join event on event.id = claimed.event_id`.execute(db);
  return rows.map((row) => ({ ...row, event: { ...row.event, at: new Date(row.event.at) } }));
}

/** What came of an attempt. */
export type AttemptOutcome =
  | { readonly state: "delivered" | "failed"; readonly result: string }
  | { readonly state: "waiting"; readonly result: string; readonly nextAttemptAt: Date };

/**
 * Notes what came of an attempt. When another one was begun meanwhile, because this one took too long, it counts only if
 * it was the one that was taken.
 * @returns whether it counts
 */
export async function noteAttempt(
  db: CatalogDatabase,
  { id, attempts }: Pick<ClaimedDelivery, "id" | "attempts">,
  outcome: AttemptOutcome,
): Promise<boolean> {
  let noting = db
    .updateTable("notification_delivery")
    .set({
      state: outcome.state,
      result: outcome.result,
      ...(outcome.state === "waiting" ? { next_attempt_at: outcome.nextAttemptAt } : { finished_at: sql<Date>`now()` }),
    })
    .where("id", "=", id);
  if (outcome.state !== "delivered") noting = noting.where("state", "=", "waiting").where("attempts", "=", attempts);
  const { numUpdatedRows } = await noting.executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Notes something that was sent at once, to try a destination. */
export async function insertTestDelivery(
  db: CatalogDatabase,
  destinationId: string,
  outcome: { readonly state: "delivered" | "failed"; readonly result: string },
): Promise<Delivery> {
  return await db
    .insertInto("notification_delivery")
    .values({
      id: randomUUID(),
      destination_id: destinationId,
      event_id: null,
      ...outcome,
      attempts: 1,
      finished_at: sql<Date>`now()`,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A delivery, and of which event. */
export interface LoggedDelivery extends Delivery {
  readonly event_kind: string | null;
  readonly event_message: string | null;
  readonly service_name: string | null;
}

/** Newest first. */
export async function deliveriesOf(
  db: CatalogDatabase,
  destinationId: string,
  limit: number,
): Promise<readonly LoggedDelivery[]> {
  return await db
    .selectFrom("notification_delivery")
    .leftJoin("event", "event.id", "notification_delivery.event_id")
    .selectAll("notification_delivery")
    .select(["event.kind as event_kind", "event.message as event_message", "event.service_name"])
    .where("destination_id", "=", destinationId)
    .orderBy("notification_delivery.created_at", "desc")
    .orderBy("notification_delivery.id")
    .limit(limit)
    .execute();
}

export async function removeOldDeliveries(db: CatalogDatabase, before: Date): Promise<void> {
  await db.deleteFrom("notification_delivery").where("finished_at", "<", before).execute();
}

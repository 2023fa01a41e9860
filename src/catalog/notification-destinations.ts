import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { BtarError } from "../domain/errors.ts";
import type { EventSeverity } from "../domain/event-kinds.ts";
import { openSecret, sealSecret } from "../platform/secret-box.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { NotificationDestinationTable } from "./schema.ts";

export interface Destination extends Selectable<NotificationDestinationTable> {
  /** Events that are still to be told there. */
  readonly waiting: number;
  /** When something was delivered last; null: nothing yet, or not for 30 days. */
  readonly delivered_at: Date | null;
}

/** Where notifications go; sealed in the catalog, since the path of a URL often is a secret, too. */
export type NotificationTarget =
  | { readonly kind: "webhook"; readonly url: string; readonly secret: string }
  | { readonly kind: "email"; readonly addresses: readonly string[] };

/** What is sent to a destination. */
export interface DestinationContent {
  readonly target: NotificationTarget;
  readonly severities: readonly EventSeverity[];
  /** Null: all. */
  readonly eventKinds: readonly string[] | null;
  readonly isEnabled: boolean;
}

/** Which destination. */
export interface DestinationName {
  readonly project: string;
  readonly name: string;
}

/** By name. */
export async function destinationsOf(db: CatalogDatabase, project: string): Promise<readonly Destination[]> {
  return await db
    .selectFrom("notification_destination as destination")
    .selectAll()
    .select([
      sql<number>`(select count(*) from notification_delivery
        where destination_id = destination.id and state = 'waiting')`.as("waiting"),
      sql<Date | null>`(select max(finished_at) from notification_delivery
        where destination_id = destination.id and state = 'delivered')`.as("delivered_at"),
    ])
    .where("project", "=", project)
    .orderBy("name")
    .execute();
}

/** @throws {BtarError} NOT_FOUND */
export async function requireDestination(
  db: CatalogDatabase,
  { project, name }: DestinationName,
): Promise<Destination> {
  const all = await destinationsOf(db, project);
  const found = all.find((each) => each.name === name);
  if (found) return found;
  throw new BtarError("NOT_FOUND", {
    message: `There is no notification destination ${name} in project ${project}`,
    hint: `there are: ${all.map((each) => each.name).join(", ") || "none yet"}`,
  });
}

/** @throws {BtarError} ALREADY_EXISTS */
export async function insertDestination(
  db: CatalogDatabase,
  masterKey: Uint8Array,
  { project, name }: DestinationName,
  content: DestinationContent,
): Promise<void> {
  const id = randomUUID();
  const inserted = await db
    .insertInto("notification_destination")
    .values({ id, project, name, kind: content.target.kind, ...columnsOf(masterKey, id, content) })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted) return;
  throw new BtarError("ALREADY_EXISTS", {
    message: `Notification destination ${name} already exists in project ${project}`,
  });
}

export async function updateDestination(
  db: CatalogDatabase,
  masterKey: Uint8Array,
  id: string,
  content: DestinationContent,
): Promise<void> {
  await db
    .updateTable("notification_destination")
    .set(columnsOf(masterKey, id, content))
    .where("id", "=", id)
    .execute();
}

/** @throws {BtarError} KEY_UNAVAILABLE */
export function openTarget(
  masterKey: Uint8Array,
  { id, sealed_target }: Pick<Destination, "id" | "sealed_target">,
): NotificationTarget {
  // Sealed by btar for this destination: authentic, so its shape is what was sealed.
  return JSON.parse(openSecret(masterKey, notificationTargetPurpose(id), sealed_target)) as NotificationTarget;
}

function columnsOf(masterKey: Uint8Array, id: string, content: DestinationContent) {
  const { target, severities, eventKinds, isEnabled } = content;
  return {
    is_enabled: isEnabled,
    severities: [...severities],
    event_kinds: eventKinds === null ? null : [...eventKinds],
    shown_target: shownTarget(target),
    sealed_target: sealSecret(masterKey, notificationTargetPurpose(id), JSON.stringify(target)),
  };
}

/** What a target is sealed for. */
export function notificationTargetPurpose(id: string): string {
  return `notification-target ${id}`;
}

/** Without what may be a secret. */
function shownTarget(target: NotificationTarget): string {
  if (target.kind === "email") return target.addresses.join(", ");
  const { origin, pathname, search } = new URL(target.url);
  return pathname === "/" && search === "" ? origin : `${origin}/…`;
}

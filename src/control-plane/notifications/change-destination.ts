import { randomBytes } from "node:crypto";
import type { Static } from "typebox";
import { recordEvent } from "../../catalog/events.ts";
import {
  type Destination,
  type DestinationContent,
  type DestinationName,
  insertDestination,
  type NotificationTarget,
  openTarget,
  requireDestination,
  updateDestination,
} from "../../catalog/notification-destinations.ts";
import type { createDestinationBody, updateDestinationBody } from "../../contract/notifications.ts";
import { BtarError } from "../../domain/errors.ts";
import type { EventSeverity } from "../../domain/event-kinds.ts";
import type { ControlPlaneContext } from "../context.ts";
import { noServer } from "./mail.ts";
import { OutsideAddresses } from "./outside-addresses.ts";

const usualSeverities: readonly EventSeverity[] = ["warning", "error"];

type Choices = Static<typeof updateDestinationBody>;

interface DestinationChange extends DestinationName {
  /** E-mail of whoever asks. */
  readonly actor: string;
}

/** @returns the secret, when it is a random one. @throws {BtarError} INVALID_INPUT, ALREADY_EXISTS */
export async function createDestination(
  context: ControlPlaneContext,
  change: DestinationChange,
  body: Static<typeof createDestinationBody>,
): Promise<string | undefined> {
  const { project, name, actor } = change;
  const target = newTarget(body.type, body);
  await checkTarget(context, target);
  const content: DestinationContent = {
    target,
    severities: body.severities ?? usualSeverities,
    eventKinds: body.event_types ?? null,
    isEnabled: body.enabled ?? true,
  };
  await context.catalog.db.transaction().execute(async (trx) => {
    await insertDestination(trx, context.masterKey, { project, name }, content);
    const message = `Created notification destination '${name}'`;
    await recordEvent(trx, { project, kind: "notification_create", severity: "info", message, actor });
  });
  return body.secret == null && target.kind === "webhook" ? target.secret : undefined;
}

/** What is absent stays. @returns the secret, when a random one was asked for. @throws {BtarError} INVALID_INPUT */
export async function changeDestination(
  context: ControlPlaneContext,
  change: DestinationChange,
  body: Choices,
): Promise<string | undefined> {
  const { project, name, actor } = change;
  return await context.catalog.db.transaction().execute(async (trx) => {
    const known = await requireDestination(trx, change);
    const target = changedTarget(openTarget(context.masterKey, known), body);
    await checkTarget(context, target);
    await updateDestination(trx, context.masterKey, known.id, changedContent(known, target, body));
    const message = `Updated notification destination '${name}'`;
    await recordEvent(trx, { project, kind: "notification_update", severity: "info", message, actor });
    return body.secret === null && target.kind === "webhook" ? target.secret : undefined;
  });
}

/** @throws {BtarError} NOT_FOUND */
export async function deleteDestination(context: ControlPlaneContext, change: DestinationChange): Promise<void> {
  const { project, name, actor } = change;
  await context.catalog.db.transaction().execute(async (trx) => {
    const { id } = await requireDestination(trx, change);
    await trx.deleteFrom("notification_destination").where("id", "=", id).execute();
    const message = `Deleted notification destination '${name}'`;
    await recordEvent(trx, { project, kind: "notification_delete", severity: "info", message, actor });
  });
}

function changedContent(known: Destination, target: NotificationTarget, body: Choices): DestinationContent {
  return {
    target,
    severities: body.severities ?? known.severities,
    eventKinds: body.event_types === undefined ? known.event_kinds : body.event_types,
    isEnabled: body.enabled ?? known.is_enabled,
  };
}

function newTarget(kind: "webhook" | "email", body: Choices): NotificationTarget {
  refuseOfOther(kind, body);
  if (kind === "email") return { kind, addresses: body.addresses ?? missing("addresses") };
  return { kind, url: body.url ?? missing("url"), secret: body.secret ?? randomSecret() };
}

function changedTarget(known: NotificationTarget, body: Choices): NotificationTarget {
  refuseOfOther(known.kind, body);
  if (known.kind === "email") return { ...known, addresses: body.addresses ?? known.addresses };
  const secret = body.secret === null ? randomSecret() : (body.secret ?? known.secret);
  return { ...known, url: body.url ?? known.url, secret };
}

/** So that a mistake is told now, not when something has happened. */
async function checkTarget({ configuration }: ControlPlaneContext, target: NotificationTarget): Promise<void> {
  const { smtp, allowedNetworks } = configuration.notifications;
  if (target.kind === "email") {
    if (!smtp) throw noServer();
    return;
  }
  if (!URL.canParse(target.url)) throw invalid("url", "it is no URL", "give https://HOST/PATH");
  const { username, password, protocol, hostname } = new URL(target.url);
  if (username !== "" || password !== "") {
    throw invalid("url", "it holds a user or a password", "put what is secret into its path, or check the signature");
  }
  try {
    const { isOwn } = await new OutsideAddresses(allowedNetworks).find(hostname);
    if (protocol === "https:" || isOwn) return;
  } catch (cause) {
    // A name that nobody knows now may be known later.
    if (cause instanceof BtarError && cause.code === "SERVER_UNREACHABLE" && protocol === "https:") return;
    throw cause instanceof BtarError
      ? invalid("url", cause.message, cause.hint ?? "check the name of the host")
      : cause;
  }
  throw invalid(
    "url",
    "it would be talked to without TLS",
    "give https://…, or have its network allowed: notifications.allowed_networks",
  );
}

function refuseOfOther(kind: "webhook" | "email", body: Choices): void {
  const others = kind === "email" ? (["url", "secret"] as const) : (["addresses"] as const);
  const wrong = others.find((key) => body[key] !== undefined);
  if (wrong === undefined) return;
  throw invalid(wrong, `a destination of type ${kind} has none`, kind === "email" ? "give addresses" : "give url");
}

function missing(key: string): never {
  throw new BtarError("INVALID_INPUT", { message: `Invalid input: '${key}' is a required property` });
}

function invalid(key: string, what: string, hint: string): BtarError {
  return new BtarError("INVALID_INPUT", { message: `Invalid input: '${key}': ${what}`, hint });
}

function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}

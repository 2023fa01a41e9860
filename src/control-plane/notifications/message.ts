import type { ToldEvent } from "../../catalog/notification-deliveries.ts";
import { adviceFor } from "../../domain/event-kinds.ts";

/** What is sent of an event. */
export interface NotificationMessage {
  /** The same for every attempt; whoever gets it twice knows it by this. */
  readonly deliveryId: string;
  /** Name of the destination. */
  readonly destination: string;
  /** Undefined for one that tries the destination. */
  readonly event: ToldEvent | undefined;
  readonly project: string;
}

/** The body of a webhook. */
export function webhookBody({ deliveryId, destination, event, project }: NotificationMessage): string {
  const common = { delivery_id: deliveryId, destination, project };
  if (!event) return JSON.stringify({ ...common, type: "test", event: null });
  return JSON.stringify({
    ...common,
    type: "event",
    event: {
      id: String(event.id),
      time: event.at.toISOString(),
      event_type: event.kind,
      severity: event.severity,
      service_name: event.service_name,
      event_desc: event.message,
      advice: adviceFor(event.kind, event.severity),
      actor: event.actor,
      project: event.project,
    },
  });
}

/** Subject and text of an e-mail. */
export function mailText({ destination, event, project }: NotificationMessage): {
  readonly subject: string;
  readonly text: string;
} {
  if (!event) {
    const text = `This tries the notification destination ${destination} of project ${project}: it works.\n`;
    return { subject: `[btar] test of ${destination} (${project})`, text };
  }
  const { severity, kind, service_name, message, at, actor } = event;
  const about = service_name === null ? project : `${service_name} (${project})`;
  const advice = adviceFor(kind, severity);
  const lines = [
    message,
    ...(advice === null ? [] : ["", `What to do: ${advice}`]),
    "",
    `event     ${kind}, ${severity}`,
    `project   ${project}`,
    ...(service_name === null ? [] : [`service   ${service_name}`]),
    `time      ${at.toISOString()}`,
    `by        ${actor}`,
    "",
    `Sent by btar to the notification destination ${destination}.`,
  ];
  return { subject: `[btar] ${severity}: ${kind} ${about}`, text: `${lines.join("\n")}\n` };
}

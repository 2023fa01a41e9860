import type { NotificationTarget } from "../../catalog/notification-destinations.ts";
import type { ControlPlaneContext } from "../context.ts";
import { sendMail } from "./mail.ts";
import { mailText, type NotificationMessage, webhookBody } from "./message.ts";
import { OutsideAddresses } from "./outside-addresses.ts";
import { postWebhook } from "./webhook.ts";

/**
 * Sends a message once.
 * @returns what came of it, for people
 * @throws {BtarError} saying why it was not taken
 */
export async function sendNotification(
  { configuration, clock }: ControlPlaneContext,
  target: NotificationTarget,
  message: NotificationMessage,
): Promise<string> {
  const { deliveryId } = message;
  const { allowedNetworks, smtp } = configuration.notifications;
  if (target.kind === "email") {
    return await sendMail(smtp, { ...mailText(message), addresses: target.addresses, deliveryId });
  }
  const { url, secret } = target;
  const webhook = { url, secret, body: webhookBody(message), deliveryId, now: clock.now() };
  return await postWebhook(new OutsideAddresses(allowedNetworks), webhook);
}

import { createTransport } from "nodemailer";
import type { BtarConfiguration } from "../../contract/configuration.ts";
import { BtarError } from "../../domain/errors.ts";
import { isInNetworks, networkList } from "../../platform/networks.ts";
import { mailFailure } from "./mail-failure.ts";

const timeoutMs = 10_000;
const loopback = networkList(["127.0.0.0/8", "::1"]);

export interface Mail {
  readonly addresses: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The same for every attempt. */
  readonly deliveryId: string;
}

/**
 * Hands a mail to the configured SMTP server. Beyond this machine, only over TLS.
 * @returns what the server said
 * @throws {BtarError} WRONG_STATE without a server in the configuration, SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function sendMail(smtp: BtarConfiguration["notifications"]["smtp"], mail: Mail): Promise<string> {
  if (!smtp) throw noServer();
  const { host, port, isTls, user, password, from } = smtp;
  const isHere = host === "localhost" || isInNetworks(loopback, host);
  const transport = createTransport({
    ...{ host, port, secure: isTls, requireTLS: !isTls && !isHere },
    ...(isHere && !isTls ? { tls: { rejectUnauthorized: false } } : {}),
    ...(user === undefined ? {} : { auth: { user, pass: password ?? "" } }),
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs },
    // What is sent is text alone.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  const [, domain = "btar.local"] = from.replace(/>$/, "").split("@");
  try {
    // Told to some, it counts as delivered: tried again, it would come to those each time.
    const { accepted, rejected, response } = await transport.sendMail({
      ...{ from, to: [...mail.addresses], subject: mail.subject, text: mail.text },
      messageId: `<${mail.deliveryId}@${domain}>`,
      headers: { "auto-submitted": "auto-generated", "btar-delivery": mail.deliveryId },
    });
    const refused = rejected.length === 0 ? "" : `; none for ${rejected.map(String).join(", ")}`;
    return `${accepted.length} accepted: ${response}${refused}`;
  } catch (cause) {
    throw mailFailure(`${host}:${port}`, cause);
  } finally {
    transport.close();
  }
}

export function noServer(): BtarError {
  return new BtarError("WRONG_STATE", {
    message: "no server for mail is configured",
    hint: "name one in the configuration: notifications.smtp.url and notifications.smtp.from",
  });
}

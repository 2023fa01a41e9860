import { createHmac } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { OutsideAddresses } from "./outside-addresses.ts";

const timeoutMs = 10_000;

export interface WebhookRequest {
  readonly url: string;
  readonly secret: string;
  readonly body: string;
  /** The same for every attempt. */
  readonly deliveryId: string;
  readonly now: Date;
}

/**
 * What proves that a body is btar's: HMAC-SHA256, under the destination's secret, of the time, a dot and the body.
 * @param timestamp seconds since 1970, as the header `btar-timestamp` has it
 */
export function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;
}

/**
 * Posts a webhook; redirections are not followed, and nothing of the answer but its status is looked at.
 * @returns what came of it, for people
 * @throws {BtarError} SERVER_REFUSED, SERVER_UNREACHABLE, TIMED_OUT
 */
export async function postWebhook(addresses: OutsideAddresses, webhook: WebhookRequest): Promise<string> {
  const url = new URL(webhook.url);
  const { address, family, isOwn } = await addresses.find(url.hostname);
  if (url.protocol !== "https:" && !isOwn) {
    throw new BtarError("SERVER_REFUSED", {
      message: `${url.origin} would be talked to without TLS`,
      hint: "give an https URL, or name its network in the configuration: notifications.allowed_networks",
    });
  }
  const status = await post(url, webhook, { address, family });
  if (status >= 200 && status < 300) return `HTTP ${status}`;
  throw new BtarError("SERVER_REFUSED", { message: `${url.origin} answered HTTP ${status}` });
}

function post(
  url: URL,
  { secret, body, deliveryId, now }: WebhookRequest,
  to: { readonly address: string; readonly family: 4 | 6 },
): Promise<number> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "btar",
    "btar-delivery": deliveryId,
    "btar-timestamp": timestamp,
    "btar-signature": signatureOf(secret, timestamp, body),
  };
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        ...{ method: "POST", headers, agent: false, signal: AbortSignal.timeout(timeoutMs) },
        // The name was looked up, and its address was found to be allowed: no other one is connected to.
        lookup: (_host, options, done) => {
          if (options.all) done(null, [to]);
          else done(null, to.address, to.family);
        },
      },
      (incoming) => {
        resolve(incoming.statusCode ?? 0);
        incoming.destroy();
      },
    );
    outgoing.on("error", (cause) => reject(unreachable(url, cause)));
    outgoing.end(body);
  });
}

function unreachable({ origin }: URL, cause: Error): BtarError {
  if (cause.name === "AbortError" || cause.name === "TimeoutError") {
    return new BtarError("TIMED_OUT", { message: `${origin} did not answer within ${timeoutMs / 1000} s`, cause });
  }
  return new BtarError("SERVER_UNREACHABLE", { message: `${origin} does not answer: ${describeError(cause)}`, cause });
}

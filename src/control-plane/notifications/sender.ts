import { recordEvent } from "../../catalog/events.ts";
import {
  type AttemptOutcome,
  type ClaimedDelivery,
  claimDeliveries,
  noteAttempt,
} from "../../catalog/notification-deliveries.ts";
import type { ChangeNotices } from "../../catalog/change-notices.ts";
import { openTarget } from "../../catalog/notification-destinations.ts";
import { describeError } from "../../domain/errors.ts";
import { backoffDelayMs } from "../../platform/backoff.ts";
import type { ControlPlaneContext } from "../context.ts";
import { sendNotification } from "./send.ts";
import { pause } from "../../platform/pause.ts";

const lookEveryMs = 1000;
/** While changes are told: what is tried anew is due some time after the last attempt, without a change. */
const lookAnywayMs = 5000;
const backoff = { firstMs: 10_000, maxMs: 3_600_000 };
/** After this it is given up. */
const longestMs = 24 * 3_600_000;

/** Sends what is due, beside whatever other servers send. */
export class NotificationSender {
  readonly #context: ControlPlaneContext;
  readonly #notices: ChangeNotices;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #isChanged = false;
  #wake: () => void = () => undefined;

  constructor(context: ControlPlaneContext, notices: ChangeNotices) {
    this.#context = context;
    this.#notices = notices;
    notices.listen((table) => {
      if (table !== undefined && !table.startsWith("notification_")) return;
      this.#isChanged = true;
      this.#wake();
    });
  }

  /** Goes on in the background until it is stopped. */
  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { logger } = this.#context;
    let told = "";
    while (!signal.aborted) {
      this.#isChanged = false;
      try {
        while (!signal.aborted && (await this.sendOnce()) > 0);
        told = "";
      } catch (error) {
        // Nothing is lost: it is in the catalog, and is sent when that answers again.
        const reason = describeError(error);
        if (reason !== told) logger.warn({ reason }, "notifications cannot be sent now");
        told = reason;
      }
      await this.#untilDue();
    }
  }

  /** Waits for something to send, a while at most. What has come while it sent is looked at without delay. */
  async #untilDue(): Promise<void> {
    if (this.#isChanged) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const waitMs = this.#notices.areHeard ? lookAnywayMs : lookEveryMs;
    await pause(waitMs, AbortSignal.any([this.#stop.signal, woken.signal]), this.#context.clock);
  }

  /** @returns how many were tried */
  async sendOnce(): Promise<number> {
    const claimed = await claimDeliveries(this.#context.catalog.db);
    await Promise.all(claimed.map((delivery) => this.#send(delivery)));
    return claimed.length;
  }

  async #send(delivery: ClaimedDelivery): Promise<void> {
    const { catalog } = this.#context;
    const outcome = await this.#attempt(delivery);
    await catalog.db.transaction().execute(async (trx) => {
      const counts = await noteAttempt(trx, delivery, outcome);
      // Two destinations that both fail would tell each other so for ever.
      if (!counts || outcome.state !== "failed" || delivery.event.kind === "notification_failed") return;
      const { project, name, attempts, event } = delivery;
      const message = `'${event.message}' could not be sent to ${name} in ${attempts} attempts: ${outcome.result}`;
      await recordEvent(trx, { project, kind: "notification_failed", severity: "warning", message });
    });
  }

  async #attempt(delivery: ClaimedDelivery): Promise<AttemptOutcome> {
    const { masterKey, clock } = this.#context;
    const { id, destination_id, sealed_target, name, project, event, attempts, created_at } = delivery;
    try {
      const target = openTarget(masterKey, { id: destination_id, sealed_target });
      const message = { deliveryId: id, destination: name, project, event };
      return { state: "delivered", result: await sendNotification(this.#context, target, message) };
    } catch (error) {
      const result = describeError(error);
      const now = clock.now().getTime();
      const waitMs = backoffDelayMs(attempts, backoff, Math.random());
      if (now + waitMs - created_at.getTime() > longestMs) return { state: "failed", result };
      return { state: "waiting", result, nextAttemptAt: new Date(now + waitMs) };
    }
  }
}

import { ChangeNotices } from "../catalog/change-notices.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { ControlPlaneContext } from "./context.ts";
import { createApiServer } from "./http/api-server.ts";
import { TlsServer } from "./http/tls-server.ts";
import { NotificationSender } from "./notifications/sender.ts";
import { Scheduler } from "./scheduler/scheduler.ts";

/** A running control plane. */
export interface ControlPlane {
  /** Where the API answers: `http://127.0.0.1:8080`, with `https:` over TLS. */
  readonly url: string;
  close(): Promise<void>;
}

/** What a control plane is built from. */
export interface ControlPlaneOptions extends Omit<ControlPlaneContext, "clock"> {
  /** The system's by default. */
  readonly clock?: Clock;
}

/**
 * Starts the API and the scheduler.
 * @throws {BtarError} INVALID_CONFIGURATION when it cannot listen there, or not with that certificate
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const context: ControlPlaneContext = { clock: systemClock, ...options };
  const { listen, tls: files } = context.configuration;
  const tls = files && (await TlsServer.open(files));
  const app = await createApiServer(context, tls);
  const { host, port } = listen;
  let url: string;
  try {
    url = await app.listen({ host, port });
  } catch (cause) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `the API cannot listen on ${host}:${port}: ${describeError(cause)}`,
      hint: "choose another address with `listen`",
      cause,
    });
  }
  tls?.watch(context);
  const notices = new ChangeNotices(context.catalog, (reason) => {
    const hint = "it is asked each second meanwhile, and tried again; see its log, or what pools connections to it";
    context.logger.warn({ reason, hint }, "the catalog does not tell of changes");
  });
  const scheduler = new Scheduler(context, notices);
  scheduler.start();
  const sender = new NotificationSender(context, notices);
  sender.start();
  notices.start();
  return {
    url: tls ? url.replace(/^http:/, "https:") : url,
    close: async () => {
      await tls?.stop();
      await scheduler.stop();
      await sender.stop();
      await notices.stop();
      await app.close();
    },
  };
}

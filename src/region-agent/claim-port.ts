import { once } from "node:events";
import { createServer } from "node:net";
import { freeServicePort, lockCreation } from "../catalog/service-ports.ts";
import { isErrno } from "../platform/errno.ts";
import type { AgentEnvironment } from "./environment.ts";
import type { ServiceContext } from "./service-context.ts";

/**
 * Gives a new managed service another port when some other program of this host listens on the one that was chosen:
 * whoever chose it could see only the services of btar.
 * @throws {BtarError} WRONG_STATE when there is none
 */
export async function claimPort(env: AgentEnvironment, service: ServiceContext): Promise<ServiceContext> {
  const { listenHost, ports } = env.configuration.services;
  const refused = new Set<number>();
  let { port } = service.row;
  while (port !== null && !(await isFree(port, listenHost))) {
    env.logger.warn({ service: service.row.name, port }, "port is in use by another program; another one is chosen");
    refused.add(port);
    port = await env.catalog.db.transaction().execute(async (trx) => {
      await lockCreation(trx);
      const next = await freeServicePort(trx, ports, { refused });
      await trx.updateTable("service").set({ port: next }).where("id", "=", service.row.id).execute();
      return next;
    });
  }
  return { ...service, row: { ...service.row, port } };
}

/** Servers listen on loopback as well as on the host they are reached at. */
async function isFree(port: number, listenHost: string): Promise<boolean> {
  for (const host of new Set([listenHost, "127.0.0.1"])) if (!(await canListen(port, host))) return false;
  return true;
}

async function canListen(port: number, host: string): Promise<boolean> {
  const probe = createServer();
  try {
    await once(probe.listen({ port, host, exclusive: true }), "listening");
  } catch (error) {
    if (isErrno(error, "EADDRINUSE")) return false;
    throw error;
  }
  probe.close();
  await once(probe, "close");
  return true;
}

import type { Selectable } from "kysely";
import type { Catalog } from "../../catalog/catalog.ts";
import { newestLogRange } from "../../catalog/log-ranges.ts";
import type { ServiceTable } from "../../catalog/schema.ts";
import { describeError } from "../../domain/errors.ts";
import { statIfThere } from "../../platform/files.ts";
import { createLogger } from "../../platform/logger.ts";
import { addressOf, loadService, reservationName, serverDirectory } from "../../region-agent/service-context.ts";
import { buildEngines } from "../drivers.ts";
import type { LoadedConfiguration } from "../load-configuration.ts";
import { type Finding, findingsOf } from "./finding.ts";

const timeoutMs = 15_000;
const atOnce = 8;

/** Every database server that is backed up: does it answer, and does it keep log for btar, and not too much of it? */
export async function checkServers(
  loaded: LoadedConfiguration,
  { catalog, masterKey }: { readonly catalog: Catalog; readonly masterKey: Buffer },
): Promise<readonly Finding[]> {
  const { db } = catalog;
  const rows = await db
    .selectFrom("service")
    .selectAll()
    .where("deleted_at", "is", null)
    .where("rebuilt_at", "is", null)
    .where("is_powered", "=", true)
    .orderBy("name")
    .execute();
  const engines = buildEngines(loaded, createLogger({ level: "error" }));
  const check = async (row: Selectable<ServiceTable>) => {
    const env = { catalog, masterKey, engines, configuration: loaded.configuration, cloud: row.cloud };
    return await checkServer(env, row);
  };
  const found: Finding[] = [];
  for (let at = 0; at < rows.length; at += atOnce) {
    found.push(...(await Promise.all(rows.slice(at, at + atOnce).map(check))).flat());
  }
  return found;
}

type Env = Parameters<typeof loadService>[0] & Parameters<typeof addressOf>[0];

async function checkServer(env: Env, row: Selectable<ServiceTable>): Promise<readonly Finding[]> {
  const { ok, warning, error } = findingsOf("server", row.name);
  if (row.kind === "managed" && (await statIfThere(serverDirectory(env, row.id))) === undefined) {
    return [ok("it runs on another machine, whose agent looks after it")];
  }
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const service = await loadService(env, row.id);
    const address = addressOf(env, service);
    const { source } = env.engines.of(row.engine);
    const missing = row.kind === "attached" ? await source.preflight(address, { signal }) : [];
    const identity = await source.identify(address, { signal });
    const newest = await newestLogRange(env.catalog.db, { serviceId: row.id, cloud: row.cloud });
    const reservation = reservationName(row.id);
    const stored = newest && { position: newest.end };
    const state = await source.reservation(address, { reservation, stored, signal });
    const mib = Math.round(state.retainedBytes / 2 ** 20);
    const limit = env.configuration.limits.retainedLogBytes;
    return [
      ok(`${identity.version} answers, keeps ${mib} MiB of log for btar`),
      ...missing.map(({ severity, message, fix }) =>
        severity === "error" ? error(message, fix) : warning(message, fix),
      ),
      ...(state.isLost ? [error("it gave up keeping log for btar", `btar backup create ${row.name}`)] : []),
      ...(!state.exists && newest
        ? [error("it keeps no log for btar", "see whether its agent works: it asks for that")]
        : []),
      ...(state.retainedBytes > limit
        ? [
            warning(
              `it keeps ${mib} MiB of log back: its disk may fill`,
              `see why the log is not stored: btar status ${row.name}`,
            ),
          ]
        : []),
    ];
  } catch (cause) {
    const what = signal.aborted ? `it does not answer within ${timeoutMs / 1000} s` : describeError(cause);
    return [error(what, "see whether it runs, and whether this machine reaches it")];
  }
}

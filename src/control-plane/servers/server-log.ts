import type { Static } from "typebox";
import { type NumberedLine, readServerLog } from "../../catalog/server-log.ts";
import type { logsBody } from "../../contract/server-reports.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { nodeName } from "../services/service-fields.ts";

const defaultLimit = 100;

/** Names of the servers' programs, as clients of the API show them beside each line. */
const units = { pg: "postgresql", mysql: "mysql" } as const;

/**
 * Lines of a managed server's log, as its agent has told them: the newest ones, or those after or before an offset.
 * @throws {BtarError} WRONG_STATE for an attached service
 */
export async function serverLog(context: ControlPlaneContext, row: ServiceRow, body: Static<typeof logsBody>) {
  if (row.kind === "attached") {
    throw new BtarError("WRONG_STATE", {
      message: `Service ${row.name} is attached: btar does not run its server, and does not have its log`,
      hint: "look for it on the server's own host",
    });
  }
  const { limit = defaultLimit, sort_order = "asc", offset } = body ?? {};
  const kept = await readServerLog(context.catalog.db, context.masterKey, row.id);
  const from = offset == null ? undefined : Number(offset);
  const lines = sort_order === "asc" ? after(kept, from, limit) : before(kept, from, limit);
  const first = kept[0];
  return {
    logs: lines.map(({ at, message }) => ({
      time: at.toISOString(),
      hostname: nodeName(row),
      unit: units[row.engine],
      msg: message,
    })),
    // Where there is nothing more, it stays: clients see by that that they have all.
    offset: lines.at(-1) ? String(lines.at(-1)?.number) : (offset ?? null),
    first_log_offset: first ? String(first.number) : null,
  };
}

function after(kept: readonly NumberedLine[], offset: number | undefined, limit: number): readonly NumberedLine[] {
  if (offset === undefined) return kept.slice(-limit);
  return kept.filter(({ number }) => number > offset).slice(0, limit);
}

/** Newest first. */
function before(kept: readonly NumberedLine[], offset: number | undefined, limit: number): readonly NumberedLine[] {
  const older = offset === undefined ? kept : kept.filter(({ number }) => number < offset);
  return older.slice(-limit).toReversed();
}

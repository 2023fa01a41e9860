import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { backupForGtid, type GtidBackup } from "../../domain/backup-for-gtid.ts";
import { productNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { formatGtid, type Gtid, parseGtid } from "../../domain/gtid.ts";
import { GtidSet } from "../../domain/gtid-set.ts";
import type { RecoveryWindow } from "../../domain/recovery-window.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "./find-service.ts";
import type { ChosenBackup } from "./fork-request.ts";
import { reachText } from "./reach-text.ts";

/**
 * The transaction that a recovery is to end at.
 * @throws {BtarError} INVALID_GTID; INVALID_INPUT for services without GTIDs, and together with other targets
 */
export function targetGtid(
  source: ServiceRow,
  target: { readonly gtid: string; readonly time: string | undefined; readonly backup: string | undefined },
): Gtid {
  if (source.engine !== "mysql") {
    throw new BtarError("INVALID_INPUT", {
      message: `${source.name} cannot be recovered to a GTID: it is a ${productNames[source.engine]} service`,
      hint: "give a time",
    });
  }
  if (target.time !== undefined || target.backup !== undefined) {
    throw new BtarError("INVALID_INPUT", {
      message: `a GTID cannot be given together with a ${target.time === undefined ? "base backup" : "time"}`,
      hint: "give one of them; the base backup for a GTID is chosen by itself",
    });
  }
  return parseGtid(target.gtid);
}

/**
 * Chooses the base backup for a transaction, as far as the catalog knows what base backups hold. Whether the log reaches
 * it, and holds nothing else that the files may hold, the job finds out before it restores anything.
 * @throws {BtarError} RECOVERY_TARGET_UNREACHABLE with what can be reached
 */
export async function chooseForGtid(
  context: ControlPlaneContext,
  request: {
    readonly source: ServiceRow;
    readonly cloud: string;
    readonly gtid: Gtid;
    /** Newest first. */
    readonly reach: readonly RecoveryWindow[];
  },
): Promise<ChosenBackup> {
  const { source, cloud, gtid, reach } = request;
  const backups = await withGtids(context.catalog.db, reach);
  const chosen = backupForGtid(backups, gtid);
  if (chosen) {
    return { fromCloud: cloud, backupId: chosen.backupId, target: { kind: "gtid", gtid: formatGtid(gtid) } };
  }
  const held = backups.at(-1)?.gtids?.atMost.brief();
  const others = held === undefined ? "" : `a transaction that is not of ${held}, or `;
  throw new BtarError("RECOVERY_TARGET_UNREACHABLE", {
    message: `${source.name} cannot be recovered to transaction ${formatGtid(gtid)} from ${cloud}: all base backups there hold later ones`,
    hint: `choose ${others}a time from ${reachText(reach)}`,
  });
}

async function withGtids(db: CatalogDatabase, reach: readonly RecoveryWindow[]): Promise<readonly GtidBackup[]> {
  const rows = await db
    .selectFrom("base_backup")
    .select(["id", "gtids_at_least", "gtids_at_most"])
    .where(
      "id",
      "in",
      reach.map(({ backupId }) => backupId),
    )
    .execute();
  return reach.map(({ backupId }) => {
    const row = rows.find(({ id }) => id === backupId);
    if (!row || row.gtids_at_least === null || row.gtids_at_most === null) return { backupId, gtids: undefined };
    return {
      backupId,
      gtids: { atLeast: GtidSet.parse(row.gtids_at_least), atMost: GtidSet.parse(row.gtids_at_most) },
    };
  });
}

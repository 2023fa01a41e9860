import { type BackupRecords, backupRecords } from "../../catalog/backup-records.ts";
import { locationRetentionDays } from "../../catalog/retention.ts";
import { type HeldBytes, heldBytes, lackingBytes } from "../../catalog/store-figures.ts";
import { verifications } from "../../catalog/verification.ts";
import { checkBackupRegions } from "../../domain/cloud.ts";
import { type CopyEstimate, type CopyFacts, estimateCopy } from "../../domain/copy-estimate.ts";
import { BtarError } from "../../domain/errors.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";
import { scheduleOf } from "../scheduler/backup-schedule.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { type CopyRate, copyRate } from "./copy-rate.ts";
import { pricesFor } from "./prices.ts";
import { recentAdditions, recentLog } from "./recent-rate.ts";

/** All that an estimate is made of. */
interface Loaded {
  readonly from: string;
  readonly to: string;
  readonly isCopied: boolean;
  readonly backupsToCopy: number;
  readonly facts: CopyFacts;
  readonly rate: CopyRate | undefined;
  /** The primary's. */
  readonly held: HeldBytes;
}

/**
 * What copying a service's backups to a cloud would take, or still takes, told from the catalog alone.
 * @throws {BtarError} INVALID_BACKUP_REGION when they cannot be copied there (E3)
 */
export async function estimateFields(context: ControlPlaneContext, row: ServiceRow, to: string) {
  const loaded = await load(context, row, to);
  const { from, isCopied, backupsToCopy, facts, rate } = loaded;
  const estimate = estimateCopy(facts);
  const whole = (value: number | undefined) => (value === undefined ? null : Math.round(value));
  return {
    service_name: row.name,
    from_cloud: from,
    to_cloud: to,
    is_copied: isCopied,
    bytes_to_copy: estimate.bytesToCopy,
    backup_bytes_to_copy: facts.packBytes,
    log_bytes_to_copy: facts.logBytes,
    backups_to_copy: backupsToCopy,
    bytes_per_day: whole(estimate.bytesPerDay),
    backup_bytes_per_day: whole(estimate.backupBytesPerDay),
    log_bytes_per_day: whole(estimate.logBytesPerDay),
    bytes_per_second: whole(rate?.bytesPerSecond),
    bytes_per_second_from: rate?.source ?? null,
    seconds_to_catch_up: whole(estimate.secondsToCatchUp),
    never_catches_up: estimate.neverCatchesUp,
    stored_bytes: estimate.storedBytes,
    stored_bytes_later: Math.round(estimate.storedBytesLater),
    retention_days: facts.retentionDays,
    money: moneyFields(context, estimate),
    rests_on: [...restsOn(loaded)],
  };
}

async function load(context: ControlPlaneContext, row: ServiceRow, to: string): Promise<Loaded> {
  const { configuration, clock, catalog } = context;
  const records = await backupRecords(catalog.db, row.id);
  const primary = records.locations.find(({ role }) => role === "primary");
  if (!primary) {
    throw new BtarError("WRONG_STATE", {
      message: `service ${row.name} has no primary backup that could be copied`,
      hint: "it is known from the store of another cloud alone",
    });
  }
  const from = primary.cloud;
  checkBackupRegions({ wanted: [to], primary: from, configured: cloudNames(configuration), maxRegions: 1 });
  const location = records.locations.find(({ cloud }) => cloud === to);
  const verified = await verifications(catalog.db, row.id);
  const verifiedIn = (cloud: string) => verified.find((each) => each.cloud === cloud);
  const held = heldBytes(primary, verifiedIn(from));
  const there = location && heldBytes(location, verifiedIn(to));
  const lacking = lackingBytes(records, to, { primary: held, there });
  const rate = await copyRate(context, { from, to });
  return {
    ...{ from, to, rate, held },
    isCopied: location?.state === "active",
    backupsToCopy: lacking.backups,
    facts: {
      packBytes: lacking.packBytes,
      logBytes: lacking.logBytes,
      heldBytes: there ? there.packs + there.log : 0,
      log: await recentLog(context, primary),
      added: recentAdditions(records, clock.now()),
      newestPackBytes: newestPackBytes(records),
      intervalHours: scheduleOf(row, configuration).intervalHours,
      retentionDays: locationRetentionDays(row, location ?? primary, configuration.backups.retentionDays),
      bytesPerSecond: rate?.bytesPerSecond,
      prices: pricesFor(configuration, { from, to }),
    },
  };
}

function newestPackBytes({ backups }: BackupRecords): number {
  const newest = backups.find(({ state }) => state === "complete");
  return newest?.pack_bytes ?? newest?.stored_bytes ?? 0;
}

function moneyFields({ configuration }: ControlPlaneContext, { money }: CopyEstimate) {
  if (!money) return null;
  const { once, perMonthStored, perMonthTransferred, perMonth } = money;
  const { currency } = configuration.prices;
  return {
    ...{ currency, once, per_month_stored: perMonthStored, per_month_transferred: perMonthTransferred },
    per_month: perMonth,
  };
}

function* restsOn({ from, to, isCopied, backupsToCopy, facts, rate, held }: Loaded): Generator<string> {
  yield held.countedAt
    ? `to copy: what verification counted in ${from} at ${held.countedAt.toISOString()}, and what has come since`
    : `to copy: everything that has come to ${from}, which no verification has counted yet`;
  if (backupsToCopy === 0) yield isCopied ? `${to} has all base backups` : `${from} has no complete base backup yet`;
  yield facts.log
    ? `log: what came to ${from} in the last ${spanText(facts.log.seconds)}`
    : "log: it has not been watched for a quarter of an hour yet, so that it counts as none";
  yield facts.added
    ? `base backups: what ${timesText(facts.added.backups)} added, and one every ${facts.intervalHours} h`
    : "base backups: there was no second one yet that would tell what one adds; they count as nothing";
  yield rate?.text ?? `speed: nothing was copied between clouds yet, so that no time can be told`;
  if (facts.prices)
    yield "money: prices of the configuration, a GB being 10^9 bytes; requests to stores are not counted";
}

function timesText(count: number): string {
  return count === 1 ? "the last one has" : `the last ${count} have`;
}

function spanText(seconds: number): string {
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

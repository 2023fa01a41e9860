import { type Insertable, sql } from "kysely";
import type { KnownService } from "../../catalog/known-services.ts";
import type { StoreSampleTable } from "../../catalog/backup-tables.ts";
import { heldBytes, lackingBytes } from "../../catalog/store-figures.ts";
import { keepSamplesSeconds, sampleResolutions } from "../charts.ts";
import type { ControlPlaneContext } from "../context.ts";

/** So many services are looked at together. */
const servicesAtOnce = 200;

/** Records how much every location holds, has got and lacks. */
export async function sampleStores(context: Pick<ControlPlaneContext, "catalog" | "clock">): Promise<void> {
  const { db } = context.catalog;
  const services = await db.selectFrom("service").select("id").where("deleted_at", "is", null).execute();
  for (let at = 0; at < services.length; at += servicesAtOnce) {
    const ids = services.slice(at, at + servicesAtOnce).map(({ id }) => id);
    const samples = await samplesOf(context, ids);
    if (samples.length === 0) continue;
    await db
      .insertInto("store_sample")
      .values([...samples])
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

async function samplesOf(
  { catalog, clock }: Pick<ControlPlaneContext, "catalog" | "clock">,
  serviceIds: readonly string[],
): Promise<readonly Insertable<StoreSampleTable>[]> {
  const services = await catalog.services.of(serviceIds);
  const at = clock.now();
  return [...services].flatMap(([service_id, known]) =>
    figuresOf(known).map((figures) => ({ service_id, at, ...figures })),
  );
}

function figuresOf(records: KnownService): readonly Omit<Insertable<StoreSampleTable>, "service_id" | "at">[] {
  const heldIn = records.locations.map((row) => ({
    row,
    held: heldBytes(
      row,
      records.verified.find(({ cloud }) => cloud === row.cloud),
    ),
  }));
  const primary = heldIn.find(({ row }) => row.role === "primary")?.held;
  return heldIn.flatMap(({ row, held }) => {
    if (row.state !== "active") return [];
    const lacking =
      primary && row.role === "secondary" ? lackingBytes(records, row.cloud, { primary, there: held }) : undefined;
    return [
      {
        cloud: row.cloud,
        log_bytes: row.log_bytes_total,
        backup_bytes: row.backup_bytes_total,
        held_bytes: held.packs + held.log,
        lacking_bytes: lacking ? lacking.packBytes + lacking.logBytes : null,
      },
    ];
  });
}

/** Keeps a year of samples, the older the coarser; of those that fall together the newest stays. */
export async function thinStoreSamples({
  catalog,
  clock,
}: Pick<ControlPlaneContext, "catalog" | "clock">): Promise<void> {
  const before = (seconds: number) => new Date(clock.now().getTime() - seconds * 1000);
  await catalog.db.deleteFrom("store_sample").where("at", "<", before(keepSamplesSeconds)).execute();
  for (const { olderThanSeconds, everySeconds } of sampleResolutions) {
    await sql`
      delete from store_sample dropped using store_sample kept
      where dropped.at < ${before(olderThanSeconds)} and kept.at < ${before(olderThanSeconds)}
        and kept.service_id = dropped.service_id and kept.cloud = dropped.cloud
        and floor(extract(epoch from kept.at) / ${everySeconds})
          = floor(extract(epoch from dropped.at) / ${everySeconds})
        and kept.at > dropped.at`.execute(catalog.db);
  }
}

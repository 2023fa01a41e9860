import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { recordEvent } from "../../catalog/events.ts";
import type { ControlPlaneContext } from "../context.ts";

const dayMs = 86_400_000;
/** Told so many days before the end, the last time as an error. */
const warnings = [
  { days: 3, severity: "error" },
  { days: 14, severity: "warning" },
] as const;

const toldKey = "certificate-told ";

/** Tells in time that the API's certificate ends. */
export async function watchCertificate(context: ControlPlaneContext): Promise<void> {
  const { configuration, clock, catalog } = context;
  if (!configuration.tls) return;
  const endsAt = new Date(new X509Certificate(await readFile(configuration.tls.certificate)).validTo);
  const leftMs = endsAt.getTime() - clock.now().getTime();
  const due = warnings.find(({ days }) => leftMs < days * dayMs);
  if (!due) return;
  await catalog.db.transaction().execute(async (trx) => {
    const told = await trx
      .insertInto("setting")
      .values({ key: `${toldKey}${due.days}`, value: endsAt.toISOString() })
      .onConflict((conflict) =>
        conflict
          .column("key")
          .doUpdateSet({ value: endsAt.toISOString() })
          .where("setting.value", "!=", endsAt.toISOString()),
      )
      .returning("key")
      .executeTakeFirst();
    if (!told) return;
    const message = `the API's certificate ${leftMs < 0 ? "has ended" : "ends"} at ${endsAt.toISOString()}`;
    for (const { name } of await trx.selectFrom("project").select("name").execute()) {
      await recordEvent(trx, { project: name, kind: "certificate_ends", severity: due.severity, message });
    }
  });
}

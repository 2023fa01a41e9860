import { sql } from "kysely";
import type { Static } from "typebox";
import type { lagAnswer } from "../../contract/status.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

const maxServices = 100;
const stepSeconds = 120;
const steps = 30;

interface Sample {
  readonly name: string;
  readonly step: number;
  readonly lag: number | null;
  readonly rpo: number | null;
}

/** The last hour of several services (L1, L2). Services that there are not are left out. @throws {BtarError} INVALID_INPUT */
export async function recentLag(
  context: ControlPlaneContext,
  wanted: { readonly project: string; readonly names: readonly string[] },
): Promise<Static<typeof lagAnswer>> {
  const { project, names } = wanted;
  if (names.length > maxServices) {
    throw new BtarError("INVALID_INPUT", {
      message: `Invalid services: ${names.length} names`,
      hint: `at most ${maxServices} at once`,
    });
  }
  const now = context.clock.now().getTime() / 1000;
  const last = Math.floor(now / stepSeconds);
  const { rows } = await sql<Sample>`
    select service.name, floor(extract(epoch from at) / ${stepSeconds})::int as step,
           max(lag_seconds) as lag, max(rpo_seconds) as rpo
    from lag_sample join service on service.id = lag_sample.service_id
    where service.project = ${project} and service.name = any(${names}::text[]) and service.deleted_at is null
      and at > ${new Date((last - steps + 1) * stepSeconds * 1000)}
    group by 1, 2`.execute(context.catalog.db);
  return {
    step_seconds: stepSeconds,
    services: [...Map.groupBy(rows, ({ name }) => name)].map(([name, samples]) => {
      const at = new Map(samples.map((sample) => [sample.step, sample]));
      const series = Array.from({ length: steps }, (_, index) => at.get(last - steps + 1 + index));
      return {
        service_name: name,
        lag_seconds: series.map((sample) => sample?.lag ?? null),
        rpo_seconds: series.map((sample) => sample?.rpo ?? null),
      };
    }),
  };
}

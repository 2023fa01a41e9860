import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { ControlPlaneContext } from "../context.ts";
import { cloudStates } from "../status/cloud-states.ts";

/** In the table of settings; the value says since when the cloud is down. */
const downKey = "cloud-down ";

interface CloudState {
  readonly cloud_name: string;
  readonly is_up: boolean;
  readonly trouble: string | null;
}

/** The clouds whose state is another than what was told last. */
export function changedClouds<T extends CloudState>(states: readonly T[], toldDown: ReadonlySet<string>): readonly T[] {
  return states.filter(({ cloud_name, is_up }) => is_up === toldDown.has(cloud_name));
}

/**
 * R1: tells once when a cloud goes down, and once when it is back, however often btar restarts meanwhile.
 * @param options.isStarting agents may not have had the time to come up yet: nothing is told to be down
 */
export async function watchClouds(
  context: ControlPlaneContext,
  options: { readonly isStarting: boolean },
): Promise<void> {
  const { db } = context.catalog;
  const told = await db.selectFrom("setting").select("key").where("key", "like", `${downKey}%`).execute();
  const toldDown = new Set(told.map(({ key }) => key.slice(downKey.length)));
  for (const state of changedClouds(await cloudStates(context), toldDown)) {
    if (!state.is_up && options.isStarting) continue;
    await db.transaction().execute((trx) => tell(trx, context, state));
  }
}

async function tell(trx: CatalogDatabase, context: ControlPlaneContext, state: CloudState): Promise<void> {
  const { cloud_name, is_up, trouble } = state;
  const key = downKey + cloud_name;
  if (is_up) await trx.deleteFrom("setting").where("key", "=", key).execute();
  else {
    await trx
      .insertInto("setting")
      .values({ key, value: context.clock.now().toISOString() })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  for (const { name } of await trx.selectFrom("project").select("name").execute()) {
    await recordEvent(trx, {
      project: name,
      kind: is_up ? "cloud_up" : "cloud_down",
      severity: is_up ? "info" : "error",
      message: is_up ? `cloud ${cloud_name} can be used again` : `cloud ${cloud_name} is down: ${trouble}`,
    });
  }
}

import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { ControlPlaneContext } from "../context.ts";
import { affectedText } from "../status/affected-services.ts";
import { agentSilenceMs, cloudStates, downKey, namesOfDown } from "../status/cloud-states.ts";

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
 * @returns when the next cloud is down, if its agents are not heard of meanwhile
 */
export async function watchClouds(
  context: ControlPlaneContext,
  options: { readonly isStarting: boolean },
): Promise<Date | undefined> {
  const { db } = context.catalog;
  const told = await db.selectFrom("setting").select("key").where("key", "like", `${downKey}%`).execute();
  const toldDown = new Set(told.map(({ key }) => key.slice(downKey.length)));
  const states = await cloudStates(context);
  for (const state of changedClouds(states, toldDown)) {
    if (!state.is_up && options.isStarting) continue;
    const messages = await messagesOf(context, state, namesOfDown(states));
    await db.transaction().execute((trx) => tell(trx, context, state, messages));
  }
  return nextSilence(states);
}

/** When the first of the clouds that are up has not been heard of for too long. */
function nextSilence(states: Awaited<ReturnType<typeof cloudStates>>): Date | undefined {
  const heardAt = states
    .filter(({ is_up }) => is_up)
    .map(({ agents }) => Math.max(...agents.map(({ seen_at }) => Date.parse(seen_at))));
  return heardAt.length === 0 ? undefined : new Date(Math.min(...heardAt) + agentSilenceMs);
}

/** What is told of a cloud, by project: when it is down, what that means for the services there. */
async function messagesOf(
  context: ControlPlaneContext,
  { cloud_name: cloud, is_up, trouble }: CloudState,
  downClouds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const messages = new Map<string, string>();
  for (const { name: project } of await context.catalog.db.selectFrom("project").select("name").execute()) {
    const affected = is_up ? "" : await affectedText(context, { project, cloud, downClouds });
    const down = `cloud ${cloud} is down: ${trouble}${affected === "" ? "" : `; ${affected}`}`;
    messages.set(project, is_up ? `cloud ${cloud} can be used again` : down);
  }
  return messages;
}

async function tell(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { cloud_name, is_up }: CloudState,
  messages: ReadonlyMap<string, string>,
): Promise<void> {
  const key = downKey + cloud_name;
  if (is_up) await trx.deleteFrom("setting").where("key", "=", key).execute();
  else {
    await trx
      .insertInto("setting")
      .values({ key, value: context.clock.now().toISOString() })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  for (const [project, message] of messages) {
    const kind = is_up ? "cloud_up" : "cloud_down";
    await recordEvent(trx, { project, kind, severity: is_up ? "info" : "error", message });
  }
}

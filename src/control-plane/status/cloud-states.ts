import type { ControlPlaneContext } from "../context.ts";

/** An agent that was not heard of for this long counts as gone. */
export const agentSilenceMs = 15_000;

/** Begins the name of a setting that says since when a cloud is down; what follows is the cloud. */
export const downKey = "cloud-down ";

/** Whether each configured cloud can be used: an agent lives, and its store answers (R1). */
export async function cloudStates(context: ControlPlaneContext) {
  const { db } = context.catalog;
  const agents = await db.selectFrom("agent").selectAll().orderBy("id").execute();
  const stores = await db.selectFrom("cloud_state").selectAll().execute();
  const told = await db.selectFrom("setting").selectAll().where("key", "like", `${downKey}%`).execute();
  const heardAfter = new Date(context.clock.now().getTime() - agentSilenceMs);
  return context.configuration.clouds.map(({ name }) => {
    const living = agents.filter((agent) => agent.cloud === name && agent.seen_at > heardAfter);
    const store = stores.find(({ cloud }) => cloud === name);
    const trouble = cloudTrouble(living.length, store);
    return {
      cloud_name: name,
      is_up: trouble === null,
      trouble,
      down_since: trouble === null ? null : (told.find(({ key }) => key === downKey + name)?.value ?? null),
      store_since: store?.since.toISOString() ?? null,
      agents: living.map((agent) => ({
        agent_id: agent.id,
        host: agent.host,
        pid: agent.pid,
        version: agent.version,
        seen_at: agent.seen_at.toISOString(),
      })),
    };
  });
}

function cloudTrouble(
  livingAgents: number,
  store: { readonly is_store_up: boolean; readonly trouble: string | null } | undefined,
): string | null {
  if (livingAgents === 0) return "no agent answers";
  if (store && !store.is_store_up) return store.trouble ?? "the store does not answer";
  return null;
}

export function namesOfDown(
  states: readonly { readonly cloud_name: string; readonly is_up: boolean }[],
): ReadonlySet<string> {
  return new Set(states.flatMap(({ cloud_name, is_up }) => (is_up ? [] : [cloud_name])));
}

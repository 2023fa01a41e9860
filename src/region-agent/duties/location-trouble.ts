import type { AgentEnvironment } from "../environment.ts";

/** Shows why a location waits or fails; undefined when it goes on. */
export async function setLocationTrouble(
  env: AgentEnvironment,
  serviceId: string,
  cloud: string,
  trouble: string | undefined,
): Promise<void> {
  await env.catalog.db
    .updateTable("location")
    .set({ trouble: trouble ?? null })
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .where((eb) => eb("trouble", "is distinct from", trouble ?? null))
    .execute();
}

import { describeError } from "../../domain/errors.ts";
import type { AgentEnvironment, OnWaiting } from "../environment.ts";

/** Shows why a location waits while its stores are patient; a catalog that does not answer is only logged. */
export function locationWaiting(env: AgentEnvironment, serviceId: string, cloud: string): OnWaiting {
  return (reason) => {
    setLocationTrouble(env, serviceId, cloud, reason).catch((error: unknown) =>
      env.logger.warn({ reason: describeError(error) }, "the trouble of a location cannot be shown"),
    );
  };
}

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

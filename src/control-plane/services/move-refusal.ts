import { providerOf } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ServiceRow } from "./find-service.ts";
import { backupRegionsOf } from "./user-config.ts";

/**
 * Why a service is not moved to another cloud, and what does the same, in commands (M4).
 * @param options.configured clouds, in the order in which they are proposed
 */
export function moveRefusal(
  row: Pick<ServiceRow, "name" | "kind" | "cloud" | "user_config">,
  cloud: string,
  options: { readonly configured: readonly string[]; readonly maxRegions: number },
): BtarError {
  const refuse = (why: string, hint: string) =>
    new BtarError("INVALID_INPUT", { message: `Invalid input: cloud '${cloud}': ${why}`, hint });
  const { configured } = options;
  if (!configured.includes(cloud)) return refuse("there is no such cloud", `there are: ${configured.join(", ")}`);
  const why = `a service cannot be moved from ${row.cloud}`;
  if (row.kind === "attached") return refuse(why, attachedHint(row, cloud));
  if (providerOf(cloud) === providerOf(row.cloud))
    return refuse(why, `fork it there: ${forkSteps(row, cloud, options)}`);
  const usable = configured.filter((each) => each !== row.cloud && providerOf(each) === providerOf(row.cloud));
  const others = usable.length > 0 ? usable.join(", ") : "none is configured";
  return refuse(why, `it can be forked in other clouds of provider ${providerOf(row.cloud)}: ${others}`);
}

function forkSteps(
  { name, user_config }: Pick<ServiceRow, "name" | "user_config">,
  cloud: string,
  { maxRegions }: { readonly maxRegions: number },
): string {
  const regions = backupRegionsOf(user_config);
  const wanted = regions.length < maxRegions ? [...regions, cloud] : [cloud];
  const options = wanted.map((each) => `--additional-backup-region ${each}`).join(" ");
  const steps = [
    ...(regions.includes(cloud) ? [] : [`\`btar service update ${name} ${options}\``]),
    `wait until \`btar status ${name}\` shows what ${cloud} can be restored to`,
    `stop what writes to ${name}`,
    `\`btar fork ${name} NEW-NAME --cloud ${cloud} --wait\` when ${cloud} reaches the last write`,
    `\`btar service delete ${name}\``,
  ];
  return steps.map((step, index) => `${index + 1}. ${step}`).join("; ");
}

/** Where its server is, is not btar's business: only where its primary backup goes. */
function attachedHint({ name }: Pick<ServiceRow, "name">, cloud: string): string {
  return (
    `begin its primary backup anew there: 1. \`btar service delete ${name}\`; 2. \`btar service attach ${name} ` +
    `--cloud ${cloud} --uri @FILE\`; backups that there are stay for the grace time, and can be forked meanwhile`
  );
}

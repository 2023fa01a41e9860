import Type from "typebox";
import { alwaysNull, anyObject, nullableText } from "./schema-parts.ts";

const typeFields = {
  description: Type.String({ description: "For people" }),
  default_version: nullableText("Major version of a service that names none"),
  latest_available_version: nullableText("Newest major version that can run"),
  user_config_schema: anyObject("JSON Schema of the settings"),
};

const backupConfig = Type.Object({
  interval: Type.Integer({ description: "Hours between base backups" }),
  max_count: Type.Integer({ description: "Days that base backups are kept" }),
  recovery_mode: Type.Literal("pitr", { description: "Any time of the recovery window can be restored" }),
});

const planFields = {
  service_type: Type.String({ description: "Service type, such as pg or mysql" }),
  service_plan: Type.String({ description: "Plan, such as startup-4" }),
  node_count: Type.Integer({ description: "Of the plan; one server really runs" }),
  backup_config: backupConfig,
  max_memory_percent: alwaysNull,
};

const plan = Type.Object({
  ...planFields,
  regions: Type.Record(
    Type.String(),
    Type.Object({
      price_usd: Type.String({ description: "Nothing: it is your own machine" }),
      node_memory_mb: Type.Integer({ description: "Memory that settings are made for, MiB" }),
      node_cpu_count: Type.Integer({ description: "Cores" }),
      disk_space_mb: Type.Integer({ description: "Disk, MiB" }),
    }),
    { description: "By cloud" },
  ),
});

export const serviceTypeAnswer = Type.Object(typeFields);
export const serviceTypesAnswer = Type.Record(Type.String(), serviceTypeAnswer);
export const serviceTypesWithPlansAnswer = Type.Object({
  service_types: Type.Record(Type.String(), Type.Object({ ...typeFields, service_plans: Type.Array(plan) })),
});
export const plansAnswer = Type.Object({ service_plans: Type.Array(plan) });

export const planAnswer = Type.Object({
  ...planFields,
  disk_space_mb: Type.Integer({ description: "Disk, MiB" }),
  disk_space_cap_mb: alwaysNull,
  disk_space_step_mb: alwaysNull,
  shard_count: alwaysNull,
});

export const priceAnswer = Type.Object({
  base_price_usd: Type.String({ description: "Nothing: it is your own machine" }),
  cloud_name: Type.String({ description: "Name of the cloud" }),
  service_plan: Type.String({ description: "Plan" }),
  service_type: Type.String({ description: "Service type" }),
});

const day = (description: string) => Type.String({ description: `${description}; RFC 3339 without a fraction` });

export const versionsAnswer = Type.Object({
  service_versions: Type.Array(
    Type.Object({
      service_type: Type.String({ description: "Service type" }),
      major_version: Type.String({ description: "Such as 18 or 8.4" }),
      state: Type.Enum(["available", "unavailable"], { description: "Whether an agent has its programs" }),
      aiven_end_of_life_time: day("End of the version's life upstream"),
      upstream_end_of_life_time: day("End of the version's life upstream"),
      availability_start_time: day("First release"),
      availability_end_time: alwaysNull,
      termination_time: alwaysNull,
      end_of_life_help_article_url: alwaysNull,
      upgrade_to_version: alwaysNull,
      upgrade_to_service_type: alwaysNull,
    }),
  ),
});

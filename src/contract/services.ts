import Type from "typebox";
import { backup, listedBackup } from "./backups.ts";
import {
  alwaysEmpty,
  alwaysNull,
  anyObject,
  closed,
  ignored,
  moment,
  nullable,
  nullableText,
  text,
  textsByName,
} from "./schema-parts.ts";
import { user } from "./service-accounts.ts";

export const newServiceName = Type.String({
  description: "Name: a lower-case letter, then letters, digits and dashes; at most 64",
  pattern: "^[a-z][-a-z0-9]{0,63}$",
});

export const userConfigField = Type.Optional(anyObject("Settings; see the service type's schema"));

const maintenanceField = Type.Optional(
  nullable(
    Type.Object(
      {
        dow: Type.Optional(
          Type.Enum(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "never"]),
        ),
        time: Type.Optional(
          Type.String({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d$", description: "HH:MM:SS, UTC" }),
        ),
        enabled: ignored,
      },
      closed,
    ),
  ),
);

const diskField = Type.Optional(
  nullable(Type.Integer({ minimum: 1, maximum: 2147483647, description: "Disk, MiB; the plan's by default" })),
);
const tags = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 64 }), { description: "Tags" });

const techEmails = Type.Array(
  Type.Object(
    { email: Type.String({ description: "E-mail", minLength: 3, maxLength: 254, pattern: "@" }) },
    { additionalProperties: false },
  ),
  { maxItems: 10, description: "Kept for clients; nothing is sent there" },
);

const notOffered = "Not offered: null or empty";

/** Sent by clients whatever the service. */
const commonFields = {
  project_vpc_id: Type.Optional(nullable(text(notOffered))),
  cmk_id: Type.Optional(nullable(text(notOffered))),
  service_integrations: Type.Optional(nullable(Type.Array(Type.Unknown(), { description: notOffered }))),
  static_ips: Type.Optional(nullable(Type.Array(Type.Unknown(), { description: notOffered }))),
  tech_emails: Type.Optional(nullable(techEmails)),
  group_name: ignored,
};

export const createServiceBody = Type.Object(
  {
    service_name: newServiceName,
    service_type: Type.Optional(text("Engine: pg or mysql; a fork has its source's by default", 64)),
    plan: Type.Optional(text("Plan, such as startup-4; a fork has its source's by default", 128)),
    cloud: Type.Optional(nullable(text("Cloud to run in; the project's default cloud by default"))),
    user_config: userConfigField,
    termination_protection: Type.Optional(Type.Boolean({ description: "Refuse deletion and power-off" })),
    maintenance: maintenanceField,
    tags: Type.Optional(tags),
    copy_tags: Type.Optional(Type.Boolean({ description: "A fork takes its source's tags" })),
    disk_space_mb: diskField,
    ...commonFields,
  },
  closed,
);

export const updateServiceBody = Type.Object(
  {
    plan: Type.Optional(text("Plan", 128)),
    cloud: Type.Optional(nullable(text("Its own cloud: a service is not moved, but forked"))),
    user_config: Type.Optional(anyObject("Changed settings; null removes one")),
    powered: Type.Optional(Type.Boolean({ description: "false stops the server, true starts it" })),
    termination_protection: Type.Optional(Type.Boolean({ description: "Refuse deletion and power-off" })),
    maintenance: maintenanceField,
    disk_space_mb: diskField,
    ...commonFields,
  },
  closed,
);

export const tagsBody = Type.Object(
  {
    tags: Type.Record(Type.String({ maxLength: 64 }), nullable(Type.String({ maxLength: 64 })), {
      description: "Tags",
    }),
  },
  closed,
);
export const tagsAnswer = Type.Object({ tags: textsByName("Tags") });

const progressUpdate = Type.Object({
  phase: Type.Enum(["prepare", "basebackup", "stream", "finalize"]),
  completed: Type.Boolean({ description: "Whether the phase is over" }),
  min: nullable(Type.Integer({ description: "0, where the phase is counted" })),
  max: nullable(Type.Integer({ description: "Of how much; it may change" })),
  current: nullable(Type.Integer({ description: "How much is done" })),
  unit: nullableText("bytes_uncompressed, where bytes are counted"),
});

const uriParams = textsByName("Parts of the URI");

export const service = Type.Object({
  service_id: Type.String({ description: "UUID; its folder in every store" }),
  service_name: Type.String({ description: "Name" }),
  service_type: Type.String({ description: "Engine" }),
  service_type_description: Type.String({ description: "Engine, for people" }),
  service_kind: Type.Enum(["managed", "attached"], { description: "Whether btar runs the server, or only connects" }),
  state: Type.Enum(["REBUILDING", "REBALANCING", "RUNNING", "POWEROFF"]),
  trouble: nullableText("Why it is not as it should be"),
  plan: Type.String({ description: "Plan" }),
  cloud_name: Type.String({ description: "Where it runs; of an attached one, the cloud of its primary backup" }),
  cloud_description: Type.String({ description: "The cloud, for people" }),
  create_time: moment("When it was created"),
  update_time: moment("When it was changed last"),
  group_list: Type.Array(Type.String(), { description: "What clients of the API expect" }),
  node_count: Type.Integer({ description: "Of the plan; one server really runs" }),
  node_cpu_count: Type.Integer({ description: "Of the plan" }),
  node_memory_mb: Type.Integer({ description: "Of the plan, MiB" }),
  disk_space_mb: Type.Integer({ description: "MiB" }),
  termination_protection: Type.Boolean({ description: "Deletion and power-off are refused" }),
  project_vpc_id: alwaysNull,
  tags: textsByName("Tags"),
  tech_emails: Type.Array(Type.Object({ email: Type.String({ description: "E-mail" }) }), {
    description: "Kept for clients; nothing is sent there",
  }),
  service_integrations: alwaysEmpty(),
  service_notifications: alwaysEmpty(),
  features: Type.Object({}, { description: "Always empty" }),
  service_uri: nullableText("How to connect as administrator; null while it is built, and for an attached one"),
  service_uri_params: uriParams,
  connection_info: Type.Object({
    pg: Type.Optional(Type.Array(Type.String(), { description: "URIs" })),
    pg_params: Type.Optional(Type.Array(uriParams)),
    pg_standby: Type.Optional(alwaysEmpty()),
    pg_syncing: Type.Optional(alwaysEmpty()),
    mysql: Type.Optional(Type.Array(Type.String(), { description: "URIs" })),
    mysql_params: Type.Optional(Type.Array(uriParams)),
    mysql_standby: Type.Optional(alwaysEmpty()),
    mysql_replica_uri: Type.Optional(
      Type.String({ description: "Of the one server, which clients read from too; empty while it is built" }),
    ),
  }),
  components: Type.Array(
    Type.Object({
      component: Type.String({ description: "Engine" }),
      host: Type.String({ description: "Name or address" }),
      port: Type.Integer({ description: "TCP port" }),
      route: Type.Literal("dynamic"),
      usage: Type.Literal("primary"),
    }),
    { description: "What clients connect to" },
  ),
  users: Type.Array(user),
  databases: Type.Array(Type.String(), { description: "Names" }),
  connection_pools: alwaysEmpty(),
  node_states: Type.Array(
    Type.Object({
      name: Type.String({ description: "Name of the server" }),
      role: Type.Literal("master"),
      state: Type.Enum(["setting_up_vm", "syncing_data", "running"]),
      progress_updates: Type.Array(progressUpdate),
    }),
  ),
  maintenance: Type.Object({
    dow: Type.String({ description: "monday to sunday, or never" }),
    time: Type.String({ description: "HH:MM:SS, UTC" }),
    enabled: Type.Boolean({ description: "Whether dow names a day" }),
    updates: alwaysEmpty(),
  }),
  metadata: Type.Object({
    pg_version: Type.Optional(Type.String({ description: "Major version" })),
    mysql_version: Type.Optional(Type.String({ description: "Major version" })),
    max_connections: Type.Integer({ description: "Connections that the server takes" }),
  }),
  user_config: anyObject("Settings as given, and defaults"),
  forked_from: nullable(
    Type.Object({
      serviceId: Type.String({ description: "UUID of the source" }),
      serviceName: Type.String({ description: "Name of the source" }),
      project: Type.String({ description: "Project of the source" }),
      sourceCloud: Type.Optional(
        Type.String({ description: "Where the source ran; of an attached one, the cloud of its primary backup" }),
      ),
      cloud: Type.String({ description: "Location that it was restored from" }),
      backupId: Type.String({ description: "Base backup that it was restored from" }),
      target: Type.String({ description: "Time, GTID, `latest` or `backup-end`" }),
      stoppedAt: Type.Optional(Type.String({ description: "Position where recovery ended" })),
      lastCommitAt: Type.Optional(Type.String({ description: "Commit time of the last transaction that it holds" })),
      lastGtid: Type.Optional(Type.String({ description: "GTID of that transaction (MySQL)" })),
    }),
  ),
  backups: Type.Array(backup, { description: "Complete base backups, newest first" }),
});

export const serviceAnswer = Type.Object({ service });
export const servicesAnswer = Type.Object({
  services: Type.Array(
    Type.Object({
      ...service.properties,
      backups: Type.Array(listedBackup, { description: "Complete base backups, newest first; `…/backups` tells more" }),
    }),
  ),
});
export const serviceMessageAnswer = Type.Object({
  service,
  message: Type.String({ description: "What was done" }),
});

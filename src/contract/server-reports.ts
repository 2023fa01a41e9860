/** What is told of a managed server itself: its log, what it needs, and answers to questions about it. */
import Type from "typebox";
import { chart, reportPeriodField } from "./charts.ts";
import { closed, ignored, moment, nullable, nullableText, text } from "./schema-parts.ts";

export const logsBody = nullable(
  Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 500, description: "How many lines at most; 100 by default" }),
      ),
      sort_order: Type.Optional(
        Type.Enum(["asc", "desc"], {
          description: "asc, the default: oldest first; without an offset the newest lines",
        }),
      ),
      offset: Type.Optional(
        nullable(
          Type.String({
            pattern: "^\\d{1,15}$",
            description: "Of an earlier answer: the lines after it, or for desc before it",
          }),
        ),
      ),
    },
    closed,
  ),
);

export const logsAnswer = Type.Object({
  logs: Type.Array(
    Type.Object({
      time: moment("When the server said it"),
      hostname: Type.String({ description: "Name of the server, as in node_states" }),
      unit: Type.String({ description: "postgresql or mysql" }),
      msg: Type.String({ description: "What it said" }),
    }),
  ),
  offset: nullableText("To go on with; null: there is no log yet"),
  first_log_offset: nullableText("Of the oldest line that is kept; null: there is no log yet"),
});

export const metricsBody = nullable(Type.Object({ period: reportPeriodField }, closed));

export const metricsAnswer = Type.Object({
  metrics: Type.Record(Type.String(), chart, {
    description:
      "cpu_usage, mem_usage, disk_usage, diskio_read, diskio_writes, load_average; what cannot be measured is absent",
  }),
});

const upgradeCheck = Type.Object({ target_version: text("Major version", 16) }, closed);
const migrationCheck = Type.Object(
  {
    source_service_uri: text("URI of the source; it is not connected to", 4096),
    ignore_dbs: ignored,
    ignore_roles: ignored,
    method: ignored,
    dump_tool: ignored,
  },
  closed,
);

export const taskBody = Type.Object(
  {
    task_type: Type.Enum(["upgrade_check", "migration_check"]),
    target_version: Type.Optional(text("For upgrade_check, as older clients say it", 16)),
    upgrade_check: Type.Optional(nullable(upgradeCheck)),
    migration_check: Type.Optional(nullable(migrationCheck)),
  },
  closed,
);

const task = Type.Object({
  task_id: Type.String({ description: "UUID" }),
  task_type: Type.String({ description: "What was asked" }),
  success: Type.Boolean({ description: "Whether it can be done" }),
  result: Type.String({ description: "Why it cannot be done, or that there is nothing to do" }),
  create_time: moment("When it was asked"),
});
export const taskAnswer = Type.Object({ task });

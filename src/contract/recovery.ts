import Type from "typebox";
import { bytes, closed, moment, nullable, text } from "./schema-parts.ts";

const span = {
  earliest_at: moment("Oldest time that can be restored"),
  latest_at: moment("Newest time that can be restored"),
};

/** What each location reaches, gaps and all. */
export const reachAnswer = Type.Object({
  locations: Type.Array(
    Type.Object({
      cloud: Type.String({ description: "Name of the cloud" }),
      role: Type.Enum(["primary", "secondary"]),
      windows: Type.Array(Type.Object(span), {
        description: "Oldest first; between two of them lies a gap: no time in it can be restored",
      }),
      backups: Type.Array(
        Type.Object({ backup_name: Type.String({ description: "Base backup to start from" }), ...span }),
        { description: "The same by base backup, newest first" },
      ),
    }),
    { description: "Primary first" },
  ),
});

export const forkPlanBody = Type.Object(
  {
    location: text("Cloud to fork from"),
    target_time: Type.Optional(nullable(text("Time, with zone or in UTC; the latest by default", 64))),
    target_gtid: Type.Optional(nullable(text("MySQL: the last transaction that is wanted, alone", 128))),
    backup_name: Type.Optional(nullable(text("Base backup to start from", 128))),
  },
  closed,
);

/** What a fork would do; nothing is begun. */
export const forkPlanAnswer = Type.Object({
  location: Type.String({ description: "Cloud that it would be restored from" }),
  is_up: Type.Boolean({ description: "Whether that cloud can be used now" }),
  backup_name: Type.String({ description: "Base backup that it would start from" }),
  target: Type.Enum(["latest", "backup-end", "time", "gtid"]),
  target_at: nullable(moment("The moment that it would hold; null for a GTID")),
  data_bytes: bytes("Files to be restored"),
  log_seconds: Type.Number({ description: "Time that the log to be replayed spans; 0 for a base backup's end" }),
  estimated_seconds: nullable(
    Type.Number({ description: "How long forks of that size took in that cloud; null: there was none yet" }),
  ),
});

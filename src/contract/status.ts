import Type from "typebox";
import { bytes, moment, nullable, nullableMoment, nullableText } from "./schema-parts.ts";

const location = Type.Object({
  cloud: Type.String({ description: "Name of the cloud" }),
  role: Type.Enum(["primary", "secondary"]),
  state: Type.Enum(["active", "retiring", "deleting"], {
    description: "retiring: it is not wanted any more, and serves until others have what it has; then, deleting",
  }),
  awaits: Type.Array(Type.String(), { description: "What is still to happen before one that is retiring goes" }),
  paused: Type.Boolean({ description: "Copying to it is paused" }),
  pause_reason: nullableText("Why"),
  bandwidth_limit: nullable(
    Type.Integer({
      description: "Bytes a second at most of all that is copied there from the primary's cloud; null: no limit",
    }),
  ),
  retention_days: Type.Integer({ description: "Days that backups are kept there" }),
  delete_after: nullableMoment("When the copies go, for a location that was turned off"),
  trouble: nullableText("What it waits for or fails with now"),
  replication_lag_seconds: nullable(
    Type.Number({ description: "Age of the oldest thing that it lacks of the primary; null for the primary itself" }),
  ),
  is_behind: Type.Boolean({ description: "The lag is above `limits.lag_objective_seconds`" }),
  rpo_seconds: nullable(
    Type.Number({ description: "Data at risk: age of the end of the recovery window; null: nothing can be restored" }),
  ),
  recovery_window: nullable(
    Type.Object({
      earliest_at: moment("Oldest time that can be restored"),
      latest_at: moment("Newest time that can be restored"),
    }),
  ),
  log: nullable(
    Type.Object({
      stream: Type.String({ description: "History that the log belongs to" }),
      end: Type.String({ description: "Position up to which it is stored" }),
      stored_at: moment("When the newest piece was stored"),
    }),
  ),
  complete_backups: Type.Integer({ description: "Base backups that are complete there" }),
  verification: Type.Object({
    last_verified_at: nullableMoment("When it was last checked that everything is there, with the right size"),
    data_verified_at: nullableMoment("Everything that is older was read since: checksums, seals and fingerprints"),
    verified_until: nullableMoment(
      "Newest time of which everything that a restore needs was verified there, when a copy or verification last ended",
    ),
    damaged: Type.Array(
      Type.Object({
        object: Type.String({ description: "Its name in the store" }),
        kind: Type.Enum(["missing", "damaged", "stray"]),
        what: Type.String({ description: "What is wrong" }),
        found_at: moment("When it was found"),
        affected_backups: Type.Array(Type.String(), { description: "Base backups that cannot be restored for it" }),
        affected_log: nullable(
          Type.Object({
            stream: Type.String({ description: "History that the log belongs to" }),
            start: Type.String({ description: "First position that cannot be read" }),
            end: Type.String({ description: "First position after it" }),
            after: nullableMoment("Newest commit before it: later times cannot be restored from earlier backups"),
          }),
        ),
      }),
      { description: "What is not as it must be; the same in another location may be sound" },
    ),
  }),
});

/** Is a service safe in a second region, how far behind, and what could be restored now? */
export const protectionAnswer = Type.Object({
  service_name: Type.String({ description: "Name" }),
  service_type: Type.String({ description: "Engine" }),
  service_kind: Type.Enum(["managed", "attached"]),
  cloud_name: Type.String({ description: "Where it runs; of an attached one, the cloud of its primary backup" }),
  state: Type.String({ description: "REBUILDING, REBALANCING, RUNNING or POWEROFF" }),
  trouble: nullableText("Why it is not as it should be"),
  reservation_warning: nullableText("The server holds back much log for btar: its disk may fill"),
  locations: Type.Array(location, { description: "Primary first" }),
  forks: Type.Array(
    Type.Object({
      project: Type.String({ description: "Project of the fork" }),
      service_name: Type.String({ description: "Name of the fork" }),
      cloud_name: Type.String({ description: "Where it runs" }),
      state: Type.String({ description: "Its state" }),
      target: Type.String({ description: "Time, GTID, `latest` or `backup-end`" }),
    }),
  ),
});

export const statusAnswer = Type.Object({
  lag_objective_seconds: Type.Integer({ description: "Lag of a location above which its service counts as at risk" }),
  clouds: Type.Array(
    Type.Object({
      cloud_name: Type.String({ description: "Name" }),
      is_up: Type.Boolean({ description: "An agent lives and its store answers" }),
      trouble: nullableText("Why it is down"),
      down_since: nullableMoment("Since when it is known to be down"),
      affected: Type.Array(
        Type.Object({
          service_name: Type.String({ description: "Name of a service whose backups are there" }),
          role: Type.Enum(["primary", "secondary"], { description: "Of its backup there" }),
          restorable: Type.Array(
            Type.Object({
              cloud: Type.String({ description: "Another cloud, which is up" }),
              latest_at: moment("Newest time that can be restored from there"),
            }),
            { description: "From where it could be restored without this cloud, the newest time first" },
          ),
        }),
        { description: "What that means, for a cloud that is down" },
      ),
      store_since: nullableMoment("Since when the store is as it is"),
      agents: Type.Array(
        Type.Object({
          agent_id: Type.String({ description: "Names the agent" }),
          host: Type.String({ description: "Where it runs" }),
          pid: Type.Integer({ description: "Its process there" }),
          version: Type.String({ description: "Its version of btar" }),
          seen_at: moment("Last sign of life"),
        }),
      ),
    }),
  ),
  links: Type.Array(
    Type.Object({
      from_cloud: Type.String({ description: "Cloud of primary backups" }),
      to_cloud: Type.String({ description: "Cloud of their copies" }),
      copies: Type.Integer({ description: "Services that are copied there from it" }),
      bandwidth_limit: nullable(Type.Integer({ description: "Bytes a second at most; null: no limit" })),
      bytes_per_second: Type.Number({
        description:
          "What arrives now: log as in the last minutes, and base backups that are being copied, as fast as each was so far",
      }),
      bytes_last_hour: bytes("What arrived in the last hour, of base backups all that was sent when their copy ended"),
      bytes_last_day: bytes("The same of the last 24 hours"),
    }),
    { description: "What crosses between clouds, of all services of the project together" },
  ),
  services: Type.Array(protectionAnswer),
});

export const healthAnswer = Type.Object({ status: Type.Enum(["live", "ready"]) });

export const lagQuery = Type.Object({
  services: Type.Optional(Type.String({ description: "Names, separated by commas; 100 at most", maxLength: 6500 })),
});

/** The last hour of services at once, for small charts. */
export const lagAnswer = Type.Object({
  step_seconds: Type.Integer({ description: "Between two values" }),
  services: Type.Array(
    Type.Object({
      service_name: Type.String({ description: "Name" }),
      lag_seconds: Type.Array(nullable(Type.Number()), {
        description: "Of the additional cloud that is furthest behind, oldest first; null: not known",
      }),
      rpo_seconds: Type.Array(nullable(Type.Number()), { description: "Data at risk there" }),
    }),
  ),
});

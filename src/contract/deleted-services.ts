import Type from "typebox";
import { closed, moment, nullable, nullableMoment, text } from "./schema-parts.ts";

/** May be left out altogether. */
export const undeleteBody = nullable(
  Type.Object(
    { service_id: Type.Optional(text("Which one, where several of that name were deleted; the last by default", 36)) },
    closed,
  ),
);

export const deletedServicesAnswer = Type.Object({
  services: Type.Array(
    Type.Object({
      service_name: Type.String({ description: "Name that it had" }),
      service_id: Type.String({ description: "UUID" }),
      service_type: Type.String({ description: "Engine" }),
      service_kind: Type.Enum(["managed", "attached"]),
      cloud_name: Type.String({ description: "Where it ran; of an attached one, the cloud of its primary backup" }),
      plan: Type.String({ description: "Plan" }),
      delete_time: moment("When it was deleted or detached"),
      backups_until: moment("Until when its backups stay, and it can be restored and forked"),
      locations: Type.Array(
        Type.Object({
          cloud: Type.String({ description: "Name of the cloud" }),
          role: Type.Enum(["primary", "secondary"]),
          complete_backups: Type.Integer({ description: "Base backups that are complete there" }),
          delete_after: nullableMoment("When the copies go, for a location that was turned off before"),
          recovery_window: nullable(
            Type.Object({
              earliest_at: moment("Oldest time that can be restored"),
              latest_at: moment("Newest time that can be restored"),
            }),
          ),
        }),
        { description: "Where its backups are, the primary first" },
      ),
    }),
    { description: "Those that still have backups, the last one first" },
  ),
});

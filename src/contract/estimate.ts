import Type from "typebox";
import { bytes, nullable } from "./schema-parts.ts";

const perDay = (description: string) => nullable(Type.Integer({ description: `${description}, bytes a day` }));
const money = (description: string) => Type.Number({ description });

/** What a copy of a service's backups in another cloud takes, or would take. */
export const estimateAnswer = Type.Object({
  service_name: Type.String({ description: "Name" }),
  from_cloud: Type.String({ description: "Cloud of the primary backup" }),
  to_cloud: Type.String({ description: "Cloud of the copy" }),
  is_copied: Type.Boolean({ description: "Backups are copied there already: the figures tell what is left" }),
  bytes_to_copy: bytes("To be copied now"),
  backup_bytes_to_copy: bytes("Of them, for base backups"),
  log_bytes_to_copy: bytes("Of them, log"),
  backups_to_copy: Type.Integer({ description: "Base backups that are not there yet" }),
  bytes_per_day: perDay("What comes after that; null: it cannot be told yet"),
  backup_bytes_per_day: perDay("Of them, for base backups; null: there was only one"),
  log_bytes_per_day: perDay("Of them, log; null: none was seen for long enough"),
  bytes_per_second: nullable(Type.Integer({ description: "How fast it is copied; null: it cannot be told yet" })),
  bytes_per_second_from: nullable(
    Type.String({ description: "measured: copies that ended; limit: the bandwidth limit of the configuration" }),
  ),
  seconds_to_catch_up: nullable(Type.Integer({ description: "Until it has all; null: it cannot be told, or never" })),
  never_catches_up: Type.Boolean({ description: "More comes than can be copied" }),
  stored_bytes: bytes("Held there once it has all"),
  stored_bytes_later: bytes("Held there when backups are as old as they get"),
  retention_days: Type.Integer({ description: "Days that backups are, or would be, kept there" }),
  money: nullable(
    Type.Object(
      {
        currency: Type.String({ description: "Of the configuration" }),
        once: money("For what is to be copied now"),
        per_month_stored: money("For what is held there later"),
        per_month_transferred: money("For what comes each month"),
        per_month: money("Both of them"),
      },
      { description: "null: the configuration has no prices for it" },
    ),
  ),
  rests_on: Type.Array(Type.String(), { description: "What the figures rest on, for people" }),
});

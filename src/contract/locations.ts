import Type from "typebox";
import { closed, nullable, text } from "./schema-parts.ts";

/** What is absent stays as it is. */
export const locationBody = Type.Object(
  {
    retention_days: Type.Optional(
      nullable(
        Type.Integer({
          description: "Days that backups are kept there; null: as the service's",
          minimum: 1,
          maximum: 3650,
        }),
      ),
    ),
    paused: Type.Optional(
      Type.Boolean({ description: "Nothing is copied to it; what is there can be restored all the same" }),
    ),
    pause_reason: Type.Optional(nullable(text("Why, for `paused: true`; who did it by default", 500))),
  },
  { ...closed, minProperties: 1 },
);

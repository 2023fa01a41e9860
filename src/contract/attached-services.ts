import Type from "typebox";
import { serviceUriForms } from "../domain/service-uri.ts";
import { closed, text } from "./schema-parts.ts";
import { newServiceName, service, userConfigField } from "./services.ts";

const address = {
  uri: Type.String({
    description: serviceUriForms,
    maxLength: 4096,
  }),
  ca: Type.Optional(Type.String({ description: "PEM of the authority to trust", maxLength: 65536 })),
};

export const attachServiceBody = Type.Object(
  {
    service_name: newServiceName,
    cloud: text("Cloud whose store holds the primary backup"),
    ...address,
    plan: Type.Optional(text("Plan that decides how long backups are kept; startup-4 by default", 128)),
    user_config: userConfigField,
  },
  closed,
);

export const preflightBody = Type.Object(address, closed);

const findings = Type.Array(
  Type.Object({
    check: Type.String({ description: "Stable word, such as wal_level or clone_plugin" }),
    severity: Type.Enum(["error", "warning"]),
    message: Type.String({ description: "What is, and what should be" }),
    fix: Type.String({ description: "The statement or line that mends it" }),
  }),
);

export const preflightAnswer = Type.Object({ findings });
export const attachAnswer = Type.Object({ service, findings });

import Type from "typebox";
import { alwaysEmpty, alwaysNull, moment, nullableText, textsByName } from "./schema-parts.ts";

const billing = Type.String({ description: "Nothing is billed" });

const project = Type.Object({
  project_name: Type.String({ description: "Name of the project" }),
  account_id: Type.String({ description: "The one account of this installation" }),
  account_name: Type.String({ description: "The one account of this installation" }),
  organization_id: Type.String({ description: "The one organization of this installation" }),
  default_cloud: Type.String({ description: "Cloud of services that name none" }),
  billing_address: billing,
  billing_currency: billing,
  billing_emails: alwaysEmpty(),
  billing_extra_text: alwaysNull,
  billing_group_id: billing,
  billing_group_name: billing,
  card_info: alwaysNull,
  country: billing,
  country_code: billing,
  estimated_balance: billing,
  available_credits: billing,
  payment_method: billing,
  tags: textsByName("Tags"),
  tech_emails: alwaysEmpty(),
  tenant_id: Type.String({ description: "What clients of the API expect" }),
  trial_expiration_time: alwaysNull,
  vat_id: billing,
  features: Type.Object({}, { description: "Always empty" }),
});

export const projectAnswer = Type.Object({ project });

export const projectsAnswer = Type.Object({
  projects: Type.Array(project),
  project_membership: textsByName("Role of whoever asks, by project"),
  project_memberships: Type.Record(Type.String(), Type.Array(Type.String()), {
    description: "Roles of whoever asks, by project",
  }),
});

export const meAnswer = Type.Object({
  user: Type.Object({
    user: Type.String({ description: "E-mail of whoever asks" }),
    user_id: Type.String({ description: "The same" }),
    real_name: Type.String({ description: "Name for people" }),
    state: Type.Literal("active"),
    auth: Type.Array(Type.String(), { description: "Ways to prove who one is" }),
    projects: Type.Array(Type.String(), { description: "Names of the projects" }),
    project_membership: textsByName("Role, by project"),
    token_validity_begin: alwaysNull,
  }),
});

export const authorityAnswer = Type.Object({
  certificate: Type.String({ description: "PEM of the authority that signs the certificates of managed servers" }),
});

export const eventsQuery = Type.Object({
  limit: Type.Optional(Type.String({ description: "How many at most; 100 by default, up to 1000" })),
});

export const eventsAnswer = Type.Object({
  events: Type.Array(
    Type.Object({
      id: Type.String({ description: "Grows with time" }),
      time: moment("When it happened"),
      actor: Type.String({ description: "E-mail of whoever asked for it, or btar" }),
      event_type: Type.String({ description: "Stable word, such as service_create" }),
      event_desc: Type.String({ description: "What happened" }),
      severity: Type.Enum(["info", "warning", "error"]),
      service_name: nullableText("Name of the service that it is about"),
      project: Type.String({ description: "Name of the project" }),
    }),
    { description: "Newest first" },
  ),
});

export const vpcsAnswer = Type.Object({ vpcs: alwaysEmpty() });
export const staticIpsAnswer = Type.Object({ static_ips: alwaysEmpty() });

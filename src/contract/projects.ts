import Type from "typebox";
import {
  alwaysEmpty,
  alwaysNull,
  closed,
  ignored,
  moment,
  nullable,
  nullableText,
  text,
  textsByName,
} from "./schema-parts.ts";

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

const tags = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 64 }), { description: "Tags" });

/** Sent by clients, about what is billed elsewhere and mailed to nobody. */
const withoutEffect = {
  add_account_owners_admin_access: ignored,
  address_lines: ignored,
  billing_address: ignored,
  billing_currency: ignored,
  billing_emails: ignored,
  billing_extra_text: ignored,
  billing_group_id: ignored,
  card_id: ignored,
  city: ignored,
  company: ignored,
  country_code: ignored,
  state: ignored,
  tech_emails: ignored,
  use_source_project_billing_group: ignored,
  vat_id: ignored,
  zip_code: ignored,
};

const accountField = Type.Optional(nullable(text("The one account, or its organization", 64)));
const cloudField = Type.Optional(nullable(text("Default cloud of its services")));

export const createProjectBody = Type.Object(
  {
    project: Type.String({
      description: "Name: a lower-case letter, then letters, digits and dashes; at most 63",
      pattern: "^[a-z][-a-z0-9]{0,62}$",
    }),
    account_id: accountField,
    parent_id: accountField,
    cloud: cloudField,
    copy_from_project: Type.Optional(nullable(text("Project that default cloud and tags are taken from", 63))),
    tags: Type.Optional(tags),
    ...withoutEffect,
  },
  closed,
);

export const updateProjectBody = Type.Object(
  {
    project_name: Type.Optional(text("Its own name: a project is not renamed", 63)),
    account_id: accountField,
    parent_id: accountField,
    cloud: cloudField,
    tags: Type.Optional(tags),
    ...withoutEffect,
  },
  closed,
);

export const organizationPath = Type.Object({ organization: Type.String({ description: "Id of the organization" }) });

const organization = {
  organization_id: Type.String({ description: "The one organization of this installation" }),
  organization_name: Type.String({ description: "For people" }),
  account_id: Type.String({ description: "Its account" }),
  tier: Type.String({ description: "What clients of the API expect" }),
  create_time: moment("When the first project was made"),
  update_time: moment("The same"),
};
export const organizationAnswer = Type.Object(organization);
export const organizationsAnswer = Type.Object({ organizations: Type.Array(organizationAnswer) });

const account = Type.Object({
  account_id: Type.String({ description: "The one account of this installation" }),
  account_name: Type.String({ description: "For people" }),
  account_owner_team_id: alwaysNull,
  organization_id: Type.String({ description: "Its organization" }),
  parent_account_id: alwaysNull,
  primary_billing_group_id: alwaysNull,
  root_account_id: Type.String({ description: "Itself" }),
  is_account_owner: Type.Boolean({ description: "Always true" }),
  tenant_id: Type.String({ description: "What clients of the API expect" }),
  features: Type.Object({}, { description: "Always empty" }),
  create_time: moment("When the first project was made"),
  update_time: moment("The same"),
});
export const accountAnswer = Type.Object({ account });
export const accountsAnswer = Type.Object({ accounts: Type.Array(account) });

export const projectAnswer = Type.Object({ project });

export const projectsAnswer = Type.Object({
  projects: Type.Array(project),
  project_membership: textsByName("Role of whoever asks, by project"),
  project_memberships: Type.Record(Type.String(), Type.Array(Type.String()), {
    description: "Roles of whoever asks, by project",
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
      advice: nullableText("What to do about it; null: nothing"),
      service_name: nullableText("Name of the service that it is about"),
      project: Type.String({ description: "Name of the project" }),
    }),
    { description: "Newest first" },
  ),
});

export const vpcsAnswer = Type.Object({ vpcs: alwaysEmpty() });
export const staticIpsAnswer = Type.Object({ static_ips: alwaysEmpty() });

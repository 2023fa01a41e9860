import type { Selectable } from "kysely";
import type { ProjectTable } from "../../catalog/schema.ts";

/** The one account of an installation, and the organization that it is, as clients of the API expect them. */
export const accountId = "btar";
/** Clients tell the id of an organization by its first letters. */
export const organizationId = "orgbtar";

/** A project as the API tells it; its clients expect an account and billing. */
export function projectFields(project: Selectable<ProjectTable>) {
  return {
    project_name: project.name,
    account_id: accountId,
    account_name: "btar",
    organization_id: organizationId,
    default_cloud: project.default_cloud,
    billing_address: "",
    billing_currency: "USD",
    billing_emails: [],
    billing_extra_text: null,
    billing_group_id: "btar",
    billing_group_name: "btar",
    card_info: null,
    country: "",
    country_code: "",
    estimated_balance: "0.00",
    available_credits: "0.00",
    payment_method: "no_payment_expected",
    tags: project.tags,
    tech_emails: [],
    tenant_id: "aiven",
    trial_expiration_time: null,
    vat_id: "",
    features: {},
  };
}

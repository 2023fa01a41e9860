import { accountPath } from "../../contract/paths.ts";
import {
  accountAnswer,
  accountsAnswer,
  organizationAnswer,
  organizationPath,
  organizationsAnswer,
} from "../../contract/projects.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { accountId, organizationId } from "./project-fields.ts";

/** The one account of an installation, and its organization. */
export function accountRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get("/v1/account", { schema: { summary: "Accounts", response: answers(accountsAnswer) } }, async () => ({
    accounts: [accountFields(await beginning(context))],
  }));

  app.get(
    "/v1/account/:account",
    { schema: { summary: "One account", params: accountPath, response: answers(accountAnswer) } },
    async (request) => {
      if (request.params.account !== accountId) throw unknown("Account", request.params.account, accountId);
      return { account: accountFields(await beginning(context)) };
    },
  );

  app.get(
    "/v1/organizations",
    { schema: { summary: "Organizations", response: answers(organizationsAnswer) } },
    async () => ({ organizations: [organizationFields(await beginning(context))] }),
  );

  app.get(
    "/v1/organization/:organization",
    { schema: { summary: "One organization", params: organizationPath, response: answers(organizationAnswer) } },
    async (request) => {
      const { organization } = request.params;
      if (organization !== organizationId) throw unknown("Organization", organization, organizationId);
      return organizationFields(await beginning(context));
    },
  );
}

/** When the first project was made. */
async function beginning({ catalog }: ControlPlaneContext): Promise<string> {
  const first = await catalog.db
    .selectFrom("project")
    .select("created_at")
    .orderBy("created_at")
    .limit(1)
    .executeTakeFirst();
  return (first?.created_at ?? new Date(0)).toISOString();
}

function accountFields(time: string) {
  return {
    account_id: accountId,
    account_name: "btar",
    account_owner_team_id: null,
    organization_id: organizationId,
    parent_account_id: null,
    primary_billing_group_id: null,
    root_account_id: accountId,
    is_account_owner: true,
    tenant_id: "aiven",
    features: {},
    create_time: time,
    update_time: time,
  };
}

function organizationFields(time: string) {
  return {
    organization_id: organizationId,
    organization_name: "btar",
    account_id: accountId,
    tier: "business",
    create_time: time,
    update_time: time,
  };
}

function unknown(what: string, id: string, known: string): BtarError {
  return new BtarError("NOT_FOUND", { message: `${what} not found: ${id}`, hint: `there is one: ${known}` });
}

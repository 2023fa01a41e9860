import type { FastifyRequest } from "fastify";
import { databasePath, servicePath, userPath } from "../../contract/paths.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import {
  createDatabaseBody,
  createUserBody,
  databasesAnswer,
  databasesQuery,
  newUserAnswer,
  updateUserBody,
  userAnswer,
} from "../../contract/service-accounts.ts";
import { serviceAnswer, serviceMessageAnswer } from "../../contract/services.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import {
  type AccountChange,
  createDatabase,
  createUser,
  databaseNames,
  deleteDatabase,
  deleteUser,
  refuseReplication,
  resetPassword,
} from "./change-accounts.ts";
import { findService, type ServiceName } from "./find-service.ts";
import { serviceFields } from "./service-fields.ts";
import { findUser, userFields } from "./user-fields.ts";

function changeOf(request: FastifyRequest<{ Params: ServiceName }>): AccountChange {
  const { project, service } = request.params;
  return { project, service, actor: actorOf(request) };
}

/** Users and databases of managed services. */
export function serviceAccountRoutes(app: ApiServer, context: ControlPlaneContext): void {
  userRoutes(app, context);
  databaseRoutes(app, context);
}

function userRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const users = "/v1/project/:project/service/:service/user";
  const told = async (service: ServiceName, name: string) => {
    const row = await findService(context, service);
    return userFields(context, row, await findUser(context, row, name));
  };

  app.post(
    users,
    {
      schema: { summary: "Create a user", params: servicePath, body: createUserBody, response: answers(newUserAnswer) },
    },
    async (request) => {
      const { username: name, authentication, access_control } = request.body;
      refuseReplication(await findService(context, request.params), access_control);
      await createUser(context, changeOf(request), { name, authentication });
      return { user: await told(request.params, name), message: "created" };
    },
  );

  app.get(
    `${users}/:user`,
    { schema: { summary: "One user", params: userPath, response: answers(userAnswer) } },
    async (request) => ({ user: await told(request.params, request.params.user) }),
  );

  app.put(
    `${users}/:user`,
    {
      schema: {
        summary: "Reset a user's password, or say what it may do",
        params: userPath,
        body: updateUserBody,
        response: answers(serviceMessageAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      const { operation, new_password, authentication, access_control } = request.body;
      refuseReplication(row, access_control);
      if (operation === "set-access-control") {
        await findUser(context, row, request.params.user);
        return { service: await serviceFields(context, row), message: "access control is as it was" };
      }
      await resetPassword(context, changeOf(request), {
        name: request.params.user,
        password: new_password ?? undefined,
        authentication,
      });
      return {
        service: await serviceFields(context, await findService(context, request.params)),
        message: "credentials were reset",
      };
    },
  );

  app.delete(
    `${users}/:user`,
    { schema: { summary: "Delete a user", params: userPath, response: answers(messageAnswer) } },
    async (request) => {
      await deleteUser(context, changeOf(request), request.params.user);
      return { message: "deleted" };
    },
  );

  app.put(
    "/v1/project/:project/service/:service/credentials/reset",
    {
      schema: { summary: "Reset the administrator's password", params: servicePath, response: answers(serviceAnswer) },
    },
    async (request) => {
      await resetPassword(context, changeOf(request), { name: undefined, password: undefined });
      return { service: await serviceFields(context, await findService(context, request.params)) };
    },
  );
}

function databaseRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const databases = "/v1/project/:project/service/:service/db";

  app.get(
    databases,
    {
      schema: {
        summary: "Databases",
        params: servicePath,
        querystring: databasesQuery,
        response: answers(databasesAnswer),
      },
    },
    async (request) => {
      const { id, engine } = await findService(context, request.params);
      const { order, characters } = serviceTypes[engine].collation;
      const { maxItems, after } = request.query;
      const limit = maxItems === undefined ? undefined : Number(maxItems);
      const { names, isAll } = await databaseNames(context, { serviceId: id, after, limit });
      return {
        databases: names.map((name) => ({ database_name: name, lc_collate: order, lc_ctype: characters })),
        next: isAll ? null : (names.at(-1) ?? null),
      };
    },
  );

  app.post(
    databases,
    {
      schema: {
        summary: "Create a database",
        params: servicePath,
        body: createDatabaseBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      await createDatabase(context, changeOf(request), request.body.database);
      return { message: "created" };
    },
  );

  app.delete(
    `${databases}/:database`,
    { schema: { summary: "Delete a database", params: databasePath, response: answers(messageAnswer) } },
    async (request) => {
      await deleteDatabase(context, changeOf(request), request.params.database);
      return { message: "deleted" };
    },
  );
}

import { randomUUID } from "node:crypto";
import {
  type Delivery,
  deliveriesOf,
  insertTestDelivery,
  type LoggedDelivery,
} from "../../catalog/notification-deliveries.ts";
import {
  type Destination,
  destinationsOf,
  openTarget,
  requireDestination,
} from "../../catalog/notification-destinations.ts";
import {
  createDestinationBody,
  deliveriesAnswer,
  deliveriesQuery,
  deliveryAnswer,
  destinationAnswer,
  destinationPath,
  destinationsAnswer,
  updateDestinationBody,
} from "../../contract/notifications.ts";
import { projectPath } from "../../contract/paths.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { describeError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findProject } from "../projects/find-project.ts";
import { changeDestination, createDestination, deleteDestination } from "./change-destination.ts";
import { sendNotification } from "./send.ts";

const all = "/v1/project/:project/btar/notifications";
const one = `${all}/:destination`;
const usualCount = 100;
const maxCount = 1000;

/** Who is told of a project's events. */
export function notificationRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;
  const find = async ({ project, destination }: { readonly project: string; readonly destination: string }) => {
    await findProject(context, project);
    return await requireDestination(db, { project, name: destination });
  };

  app.get(
    all,
    { schema: { summary: "Notification destinations", params: projectPath, response: answers(destinationsAnswer) } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { destinations: (await destinationsOf(db, name)).map(destinationFields) };
    },
  );

  app.get(
    one,
    { schema: { summary: "One destination", params: destinationPath, response: answers(destinationAnswer) } },
    async (request) => ({ destination: destinationFields(await find(request.params)) }),
  );

  app.get(
    `${one}/deliveries`,
    {
      schema: {
        summary: "What was sent to a destination, and what is to be",
        params: destinationPath,
        querystring: deliveriesQuery,
        response: answers(deliveriesAnswer),
      },
    },
    async (request) => {
      const { id } = await find(request.params);
      const asked = Number(request.query.limit ?? usualCount);
      const limit = Number.isInteger(asked) && asked > 0 ? Math.min(asked, maxCount) : usualCount;
      return { deliveries: (await deliveriesOf(db, id, limit)).map(deliveryFields) };
    },
  );

  app.post(
    `${one}/test`,
    {
      schema: {
        summary: "Send something to a destination now; its state tells whether it was taken",
        params: destinationPath,
        response: answers(deliveryAnswer),
      },
    },
    async (request) => ({ delivery: deliveryFields(await tryDestination(context, await find(request.params))) }),
  );

  changeRoutes(app, context);
}

function changeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const told = async (project: string, name: string) =>
    destinationFields(await requireDestination(context.catalog.db, { project, name }));
  const shown = (secret: string | undefined) => (secret === undefined ? {} : { secret });

  app.post(
    all,
    {
      schema: {
        summary: "Have a project's events told by webhook or e-mail",
        params: projectPath,
        body: createDestinationBody,
        response: answers(destinationAnswer),
      },
    },
    async (request) => {
      const { name: project } = await findProject(context, request.params.project);
      const { name } = request.body;
      const secret = await createDestination(context, { project, name, actor: actorOf(request) }, request.body);
      return { destination: await told(project, name), ...shown(secret) };
    },
  );

  app.put(
    one,
    {
      schema: {
        summary: "Change a destination; what is absent stays, and a secret of null becomes another random one",
        params: destinationPath,
        body: updateDestinationBody,
        response: answers(destinationAnswer),
      },
    },
    async (request) => {
      const { project, destination: name } = request.params;
      await findProject(context, project);
      const secret = await changeDestination(context, { project, name, actor: actorOf(request) }, request.body);
      return { destination: await told(project, name), ...shown(secret) };
    },
  );

  app.delete(
    one,
    {
      schema: {
        summary: "Delete a destination, with what is still to be sent there",
        params: destinationPath,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { project, destination: name } = request.params;
      await findProject(context, project);
      await deleteDestination(context, { project, name, actor: actorOf(request) });
      return { message: "deleted" };
    },
  );
}

async function tryDestination(context: ControlPlaneContext, destination: Destination): Promise<LoggedDelivery> {
  const { db } = context.catalog;
  const { id, name, project } = destination;
  const target = openTarget(context.masterKey, destination);
  const message = { deliveryId: randomUUID(), destination: name, project, event: undefined };
  let outcome: { readonly state: "delivered" | "failed"; readonly result: string };
  try {
    outcome = { state: "delivered", result: await sendNotification(context, target, message) };
  } catch (error) {
    outcome = { state: "failed", result: describeError(error) };
  }
  const delivery: Delivery = await insertTestDelivery(db, id, outcome);
  return { ...delivery, event_kind: null, event_message: null, service_name: null };
}

function destinationFields(row: Destination) {
  return {
    name: row.name,
    type: row.kind,
    target: row.shown_target,
    severities: [...row.severities],
    event_types: row.event_kinds === null ? null : [...row.event_kinds],
    enabled: row.is_enabled,
    waiting_deliveries: row.waiting,
    last_delivery_time: row.delivered_at?.toISOString() ?? null,
    create_time: row.created_at.toISOString(),
  };
}

function deliveryFields(row: LoggedDelivery) {
  return {
    id: row.id,
    event_id: row.event_id === null ? null : String(row.event_id),
    event_type: row.event_kind,
    event_desc: row.event_message,
    service_name: row.service_name,
    state: row.state,
    attempts: row.attempts,
    result: row.result,
    next_attempt_time: row.state === "waiting" ? row.next_attempt_at.toISOString() : null,
    create_time: row.created_at.toISOString(),
    finish_time: row.finished_at?.toISOString() ?? null,
  };
}

import type { RouteOptions } from "fastify";
import * as backups from "../../contract/examples/backups.ts";
import * as consoles from "../../contract/examples/console.ts";
import * as jobs from "../../contract/examples/jobs.ts";
import * as notifications from "../../contract/examples/notifications.ts";
import * as people from "../../contract/examples/people.ts";
import * as protection from "../../contract/examples/protection.ts";
import * as services from "../../contract/examples/services.ts";

interface RouteExample {
  readonly body?: unknown;
  readonly answer: unknown;
}

const notification = "/v1/project/:project/btar/notifications";
const service = "/v1/project/:project/service/:service";

/** Of every route that is btar's own: an example of what is sent, and of the answer, for the API's description. */
export const routeExamples: Readonly<Record<string, RouteExample>> = {
  "PUT /v1/me/password": { body: people.changeMyPasswordBodyExample, answer: { message: "the password was changed" } },
  "POST /v1/btar/session": { body: consoles.newSessionBodyExample, answer: consoles.sessionExample },
  "DELETE /v1/btar/session": { answer: consoles.endedSessionExample },
  "GET /v1/btar/audit": { answer: people.auditExample },
  "GET /v1/btar/user": { answer: people.peopleExample },
  "POST /v1/btar/user": { body: people.createPersonBodyExample, answer: people.newPersonExample },
  "PUT /v1/btar/user/:email": { body: people.changePersonBodyExample, answer: people.changedPersonExample },
  "DELETE /v1/btar/user/:email": { answer: people.deletedPersonExample },
  "GET /v1/project/:project/btar/status": { answer: protection.statusExample },
  "GET /v1/project/:project/btar/lag": { answer: consoles.lagExample },
  "GET /v1/project/:project/btar/audit": { answer: people.auditExample },
  "GET /v1/project/:project/btar/deleted_services": { answer: protection.deletedServicesExample },
  [`GET ${notification}`]: { answer: notifications.destinationsExample },
  [`POST ${notification}`]: {
    body: notifications.createDestinationBodyExample,
    answer: notifications.newDestinationExample,
  },
  [`GET ${notification}/:destination`]: { answer: notifications.destinationExample },
  [`PUT ${notification}/:destination`]: {
    body: notifications.updateDestinationBodyExample,
    answer: notifications.updatedDestinationExample,
  },
  [`DELETE ${notification}/:destination`]: { answer: notifications.deletedDestinationExample },
  [`POST ${notification}/:destination/test`]: { answer: notifications.triedDestinationExample },
  [`GET ${notification}/:destination/deliveries`]: { answer: notifications.deliveriesExample },
  "POST /v1/project/:project/btar/rebuild": { body: jobs.rebuildBodyExample, answer: jobs.rebuildExample },
  "GET /v1/project/:project/jobs": { answer: jobs.jobsExample },
  "GET /v1/project/:project/jobs/:job": { answer: jobs.jobExample },
  "DELETE /v1/project/:project/jobs/:job": { answer: jobs.cancelExample },
  "POST /v1/project/:project/service/attach": { body: services.attachBodyExample, answer: services.attachExample },
  "POST /v1/project/:project/service/attach/preflight": {
    body: services.preflightBodyExample,
    answer: services.preflightExample,
  },
  [`GET ${service}/btar`]: { answer: protection.protectionExample },
  [`GET ${service}/btar/estimate/:cloud`]: { answer: backups.estimateExample },
  [`GET ${service}/btar/reach`]: { answer: consoles.reachExample },
  [`POST ${service}/btar/fork_plan`]: { body: consoles.forkPlanBodyExample, answer: consoles.forkPlanExample },
  [`PUT ${service}/btar/locations/:cloud`]: {
    body: protection.locationBodyExample,
    answer: protection.locationExample,
  },
  [`POST ${service}/btar/undelete`]: { body: protection.undeleteBodyExample, answer: services.undeletedExample },
  [`POST ${service}/btar/verify`]: { body: backups.verifyBodyExample, answer: backups.verifyExample },
  [`GET ${service}/btar/lost_range`]: { answer: protection.lostRangeExample },
  [`POST ${service}/btar/lost_range`]: {
    body: protection.extractLostRangeBodyExample,
    answer: protection.extractLostRangeExample,
  },
  [`GET ${service}/jobs`]: { answer: jobs.jobsExample },
  [`GET ${service}/backups`]: { answer: backups.backupsExample },
  [`POST ${service}/backups`]: { answer: backups.newBackupExample },
  [`GET ${service}/backups/:backup`]: { answer: backups.backupExample },
  [`PUT ${service}/backups/:backup`]: { body: backups.keepBackupBodyExample, answer: backups.keptBackupExample },
  [`DELETE ${service}/backups/:backup`]: { answer: backups.deleteBackupExample },
  [`POST ${service}/restore`]: { body: backups.restoreBodyExample, answer: backups.restoreExample },
  [`POST ${service}/backup_to_another_region/report`]: {
    body: backups.reportBodyExample,
    answer: backups.reportExample,
  },
};

/** Gives a route as it is made its examples. They change nothing of what is accepted and sent. */
export function addExamples(route: Pick<RouteOptions, "method" | "url" | "schema">): void {
  const example = routeExamples[`${[route.method].flat().join()} ${route.url}`];
  if (!example) return;
  const { schema = {} } = route;
  const response = (schema.response ?? {}) as Readonly<Record<string, object>>;
  route.schema = {
    ...schema,
    ...("body" in example && { body: { ...(schema.body as object), examples: [example.body] } }),
    response: { ...response, 200: { ...response["200"], examples: [example.answer] } },
  };
}

/** Parts of paths and queries that several resources share. */
import Type from "typebox";

const project = Type.String({ description: "Name of the project" });
const service = Type.String({ description: "Name of the service" });

export const projectPath = Type.Object({ project });
export const servicePath = Type.Object({ project, service });
export const backupPath = Type.Object({
  project,
  service,
  backup: Type.String({ description: "Name of the base backup" }),
});
export const locationPath = Type.Object({
  project,
  service,
  cloud: Type.String({ description: "Name of the cloud" }),
});
export const userPath = Type.Object({ project, service, user: Type.String({ description: "Name of the user" }) });
export const databasePath = Type.Object({
  project,
  service,
  database: Type.String({ description: "Name of the database" }),
});
export const taskPath = Type.Object({ project, service, task: Type.String({ description: "Id of the task" }) });
export const jobPath = Type.Object({ project, job: Type.String({ description: "Id of the job" }) });
export const typePath = Type.Object({ project, type: Type.String({ description: "Service type, such as pg" }) });
export const planPath = Type.Object({
  project,
  type: Type.String({ description: "Service type, such as pg" }),
  plan: Type.String({ description: "Plan, such as startup-4" }),
});
export const pricePath = Type.Object({
  ...planPath.properties,
  cloud: Type.String({ description: "Name of the cloud" }),
});
export const tokenPath = Type.Object({ token: Type.String({ description: "Prefix of the token, or all of it" }) });
export const accountPath = Type.Object({ account: Type.String({ description: "Id of the account; not looked at" }) });

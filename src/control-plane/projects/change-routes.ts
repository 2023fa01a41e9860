import { projectPath } from "../../contract/paths.ts";
import { createProjectBody, projectAnswer, updateProjectBody } from "../../contract/projects.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { tagsAnswer, tagsBody } from "../../contract/services.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { changeProjectTags, createProject, deleteProject, updateProject } from "./change-project.ts";
import { findProject } from "./find-project.ts";
import { projectFields } from "./project-fields.ts";

/** Making, changing and deleting projects. */
export function projectChangeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const told = async (name: string) => ({ project: projectFields(await findProject(context, name)) });

  app.post(
    "/v1/project",
    { schema: { summary: "Create a project", body: createProjectBody, response: answers(projectAnswer) } },
    async (request) => {
      await createProject(context, { body: request.body, actor: actorOf(request) });
      return await told(request.body.project);
    },
  );

  app.put(
    "/v1/project/:project",
    {
      schema: {
        summary: "Change a project; what is absent stays",
        params: projectPath,
        body: updateProjectBody,
        response: answers(projectAnswer),
      },
    },
    async (request) => {
      const { project } = request.params;
      await updateProject(context, { project, body: request.body, actor: actorOf(request) });
      return await told(project);
    },
  );

  app.delete(
    "/v1/project/:project",
    { schema: { summary: "Delete a project without services", params: projectPath, response: answers(messageAnswer) } },
    async (request) => {
      await deleteProject(context, request.params.project);
      return { message: "deleted" };
    },
  );

  projectTagRoutes(app, context);
}

function projectTagRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const url = "/v1/project/:project/tags";
  app.get(
    url,
    { schema: { summary: "Tags of a project", params: projectPath, response: answers(tagsAnswer) } },
    async (request) => ({ tags: (await findProject(context, request.params.project)).tags }),
  );
  app.put(
    url,
    {
      schema: {
        summary: "Replace all tags of a project",
        params: projectPath,
        body: tagsBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { project } = request.params;
      await changeProjectTags(context, { project, actor: actorOf(request) }, () => request.body.tags);
      return { message: "tags updated" };
    },
  );
  app.patch(
    url,
    {
      schema: {
        summary: "Change tags of a project; null removes one",
        params: projectPath,
        body: tagsBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { project } = request.params;
      const added = (current: Readonly<Record<string, string>>) => ({ ...current, ...request.body.tags });
      await changeProjectTags(context, { project, actor: actorOf(request) }, added);
      return { message: "tags updated" };
    },
  );
}

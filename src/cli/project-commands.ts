import type { Command } from "commander";
import type { AuthorityAnswer, ProjectAnswer, ProjectsAnswer } from "./api-answers.ts";
import { clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatPairs, formatTable, oneLine } from "./format.ts";

/** @param project the command `project` */
export function addProjectCommands(project: Command, findAccess: FindAccess): void {
  clientCommand(project.command("list").description("list projects"), findAccess, async ({ api, output }) => {
    const answer = await api.request<ProjectsAnswer>("GET", "/project");
    output.answer(answer, () =>
      formatTable(
        ["project", "default cloud"],
        answer.projects.map((each) => [each.project_name, each.default_cloud]),
      ),
    );
  });

  const get = project.command("get <name>").description("show a project");
  clientCommand(get, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.request<ProjectAnswer>("GET", `/project/${segment(name)}`);
    const { project_name, default_cloud } = answer.project;
    output.answer(answer, () =>
      formatPairs([
        ["project", project_name],
        ["default cloud", default_cloud],
      ]),
    );
  });

  const authority = project
    .command("ca")
    .description("print the certificate of the project's authority, which clients trust its servers by");
  clientCommand(authority, findAccess, async ({ api, output }) => {
    const answer = await api.inProject<AuthorityAnswer>("GET", "/kms/ca");
    output.answer(answer, () => answer.certificate.trimEnd());
  });

  const create = project
    .command("create <name>")
    .description("create a project; name it with --project or BTAR_PROJECT from then on")
    .option("--cloud <cloud>", "default cloud of its services; the configuration's first one by default");
  clientCommand(create, findAccess, async ({ api, output }, [name = ""]) => {
    const { cloud } = create.opts<{ cloud?: string }>();
    const answer = await api.request<ProjectAnswer>("POST", "/project", { project: name, cloud: cloud ?? null });
    output.answer(answer, () => `project ${answer.project.project_name} was created`);
  });

  const update = project
    .command("update <name>")
    .description("change a project")
    .requiredOption("--cloud <cloud>", "default cloud of its services");
  clientCommand(update, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.request<ProjectAnswer>("PUT", `/project/${segment(name)}`, update.opts());
    output.answer(answer, () => `default cloud of ${name}: ${answer.project.default_cloud}`);
  });

  const remove = project.command("delete <name>").description("delete a project that has no services");
  clientCommand(remove, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.request<{ readonly message: string }>("DELETE", `/project/${segment(name)}`);
    output.answer(answer, () => `${name}: ${oneLine(answer.message)}`);
  });
}

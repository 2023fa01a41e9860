import type { Command } from "commander";
import type { ServiceTypesAnswer, TaskAnswer, VersionsAnswer } from "./api-answers.ts";
import { clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTable, oneLine, paintState } from "./format.ts";

/** What there is to choose from for services. @param service the command `service` */
export function addCatalogueCommands(service: Command, findAccess: FindAccess): void {
  const plans = service
    .command("plans")
    .description("list service types and plans: sizes, and how long backups are kept");
  clientCommand(plans, findAccess, async ({ api, output }) => {
    const answer = await api.inProject<ServiceTypesAnswer>("GET", "/service_types");
    output.answer(answer, () =>
      formatTable(
        ["type", "plan", "memory", "disk", "backups every", "kept"],
        Object.entries(answer.service_types).flatMap(([type, { service_plans: all }]) =>
          all.map(({ service_plan, regions, backup_config: backups }) => {
            const [size] = Object.values(regions);
            const mib = (value: number | undefined) => (value === undefined ? "-" : `${value} MiB`);
            const sizes = [mib(size?.node_memory_mb), mib(size?.disk_space_mb)];
            return [type, service_plan, ...sizes, `${backups.interval} h`, `${backups.max_count} d`];
          }),
        ),
      ),
    );
  });
  const versions = service.command("versions").description("list the versions of servers, and which can run now");
  clientCommand(versions, findAccess, async ({ api, output }) => {
    const answer = await api.request<VersionsAnswer>("GET", "/service_versions");
    output.answer(answer, () =>
      formatTable(
        ["type", "version", "state", "supported until"],
        answer.service_versions.map((each) => [
          each.service_type,
          each.major_version,
          paintState(each.state),
          each.upstream_end_of_life_time.slice(0, 10),
        ]),
      ),
    );
  });
  const check = service
    .command("check-upgrade <name>")
    .description("whether a service can be upgraded to another major version")
    .requiredOption("--to <version>", "major version, such as 18");
  clientCommand(check, findAccess, async ({ api, output }, [name = ""]) => {
    const { to } = check.opts<{ to: string }>();
    const body = { task_type: "upgrade_check", upgrade_check: { target_version: to } };
    const answer = await api.inProject<TaskAnswer>("POST", `/service/${segment(name)}/task`, body);
    const { success, result } = answer.task;
    output.answer(answer, () => `${name} ${success ? "can" : "cannot"} be upgraded to ${to}: ${oneLine(result)}`);
  });
}

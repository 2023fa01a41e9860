import type { Command } from "commander";
import type { TagsAnswer } from "./api-answers.ts";
import { clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatTable } from "./format.ts";

/** @param tag the command `tag` */
export function addTagCommands(tag: Command, findAccess: FindAccess): void {
  const define = (text: string, description: string): Command =>
    tag.command(text).description(description).option("--service <service>", "of a service; else of the project");
  const list = define("list", "list tags");
  clientCommand(list, findAccess, async ({ api, output }) => {
    const answer = await api.inProject<TagsAnswer>("GET", pathOf(list));
    output.answer(answer, () => formatTable(["tag", "value"], Object.entries(answer.tags), "no tags"));
  });
  const set = define("set <key=value...>", "add tags, or change them; others stay");
  clientCommand(set, findAccess, async (context, pairs) => {
    const { api, output } = context;
    const wrong = pairs.find((pair) => pair.indexOf("=") < 1);
    if (wrong !== undefined) context.refuse(`"${wrong}" is no tag. Give KEY=VALUE.`);
    const tags = Object.fromEntries(
      pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
    );
    const answer = await api.inProject<{ readonly message: string }>("PATCH", pathOf(set), { tags });
    output.answer(answer, () => answer.message);
  });
  const remove = define("remove <key...>", "remove tags");
  clientCommand(remove, findAccess, async ({ api, output }, keys) => {
    const tags = Object.fromEntries(keys.map((key) => [key, null]));
    const answer = await api.inProject<{ readonly message: string }>("PATCH", pathOf(remove), { tags });
    output.answer(answer, () => answer.message);
  });
}

function pathOf(command: Command): string {
  const { service } = command.opts<{ service?: string }>();
  return service === undefined ? "/tags" : `/service/${segment(service)}/tags`;
}

import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { DeliveriesAnswer, DeliveryAnswer, DestinationAnswer, DestinationsAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess, segment } from "./command-context.ts";
import { formatMoment, formatTable, oneLine, paintState } from "./format.ts";
import type { ClientMachine } from "./client-commands.ts";
import { count } from "./setting-options.ts";

const usualCount = 20;
const path = "/btar/notifications";

interface ChoiceOptions {
  readonly webhook?: string;
  readonly email?: string;
  readonly secret?: string;
  readonly severity?: string;
  readonly event?: string;
}

/** @param notification the command `notification` */
export function addNotificationCommands(
  notification: Command,
  findAccess: FindAccess,
  readFile: ClientMachine["readFile"],
): void {
  clientCommand(notification.command("list").description("list who is told of events"), findAccess, list);

  const create = withChoices(
    notification.command("create <name>").description("have events told by webhook or e-mail"),
  ).addHelpText(
    "after",
    "\nExamples:\n  btar notification create ops --webhook @url.txt --severity error\n" +
      "  btar notification create team --email ann@example.com,ben@example.com --event cloud_down,backup_failed",
  );
  clientCommand(create, findAccess, async (context, [name = ""]) => {
    const options = create.opts<ChoiceOptions>();
    if ((options.webhook === undefined) === (options.email === undefined)) {
      context.refuse("give either --webhook or --email");
    }
    const type = options.webhook === undefined ? "email" : "webhook";
    const body = { name, type, ...(await choices(options, readFile)) };
    const answer = await context.api.inProject<DestinationAnswer>("POST", path, body);
    context.output.answer(answer, () => `${name}: ${oneLine(answer.destination.target)}${secretText(answer)}`);
  });

  const update = withChoices(notification.command("update <name>").description("change a destination"))
    .option("--new-secret", "sign with another random secret, which is shown once")
    .option("--enable", "send again")
    .option("--disable", "send nothing for now");
  clientCommand(update, findAccess, async ({ api, output }, [name = ""]) => {
    const options = update.opts<ChoiceOptions & { newSecret?: boolean; enable?: boolean; disable?: boolean }>();
    const answer = await api.inProject<DestinationAnswer>("PUT", `${path}/${segment(name)}`, {
      ...(await choices(options, readFile)),
      ...(options.newSecret && { secret: null }),
      ...((options.enable || options.disable) && { enabled: options.enable ?? false }),
    });
    output.answer(answer, () => `${name}: ${oneLine(answer.destination.target)}${secretText(answer)}`);
  });

  addUseCommands(notification, findAccess);
}

function addUseCommands(notification: Command, findAccess: FindAccess): void {
  const remove = notification.command("delete <name>").description("delete a destination");
  clientCommand(remove, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.inProject<{ readonly message: string }>("DELETE", `${path}/${segment(name)}`);
    output.answer(answer, () => `${name}: ${oneLine(answer.message)}`);
  });

  const test = notification.command("test <name>").description("send something there now, and tell what came of it");
  clientCommand(test, findAccess, async ({ api, output }, [name = ""]) => {
    const answer = await api.inProject<DeliveryAnswer>("POST", `${path}/${segment(name)}/test`);
    const { state, result } = answer.delivery;
    if (state === "failed") {
      throw new BtarError("SERVER_REFUSED", { message: `${name} was not reached: ${oneLine(result ?? "")}` });
    }
    output.answer(answer, () => `${name} was reached: ${oneLine(result ?? "")}`);
  });

  const deliveries = notification
    .command("deliveries <name>")
    .description("what was sent to a destination, newest first")
    .option("-n, --limit <count>", "how many", count, usualCount);
  clientCommand(deliveries, findAccess, async (context, [name = ""]) => {
    await showDeliveries(context, name, deliveries.opts<{ limit: number }>().limit);
  });
}

function withChoices(command: Command): Command {
  return command
    .option("--webhook <url>", "where it is posted; @FILE reads it from a file, since its path often is a secret")
    .option("--email <addresses>", "whom it is mailed to, with commas between")
    .option("--secret <@file>", "file of the secret that signs webhooks; a random one by default")
    .option("--severity <severities>", "of info, warning, error, with commas between; warning,error by default")
    .option("--event <kinds>", "kinds of events, with commas between, or all");
}

async function choices(options: ChoiceOptions, readFile: ClientMachine["readFile"]): Promise<object> {
  const { webhook, email, secret, severity, event } = options;
  return {
    ...(webhook !== undefined && { url: await textOf(webhook, readFile) }),
    ...(secret !== undefined && { secret: await textOf(secret, readFile) }),
    ...(email !== undefined && { addresses: listOf(email) }),
    ...(severity !== undefined && { severities: listOf(severity) }),
    ...(event !== undefined && { event_types: event === "all" ? null : listOf(event) }),
  };
}

async function textOf(given: string, readFile: ClientMachine["readFile"]): Promise<string> {
  return given.startsWith("@") ? (await readFile(given.slice(1))).trim() : given;
}

function listOf(text: string): readonly string[] {
  return text.split(",").map((part) => part.trim());
}

function secretText({ secret }: DestinationAnswer): string {
  return secret === undefined ? "" : `\nsecret of its signatures, shown once: ${secret}`;
}

async function list({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<DestinationsAnswer>("GET", path);
  output.answer(answer, () =>
    formatTable(
      ["name", "type", "target", "severities", "events", "state", "delivered last"],
      answer.destinations.map((each) => [
        each.name,
        each.type,
        oneLine(each.target),
        each.severities.join(", "),
        each.event_types?.join(", ") ?? "all",
        (each.enabled ? "enabled" : "disabled") +
          (each.waiting_deliveries > 0 ? `, ${each.waiting_deliveries} waiting` : ""),
        each.last_delivery_time === null ? "never" : formatMoment(each.last_delivery_time),
      ]),
      "nobody is told of events yet; change that with: btar notification create NAME",
    ),
  );
}

async function showDeliveries({ api, output }: CommandContext, name: string, limit: number): Promise<void> {
  const answer = await api.inProject<DeliveriesAnswer>("GET", `${path}/${segment(name)}/deliveries?limit=${limit}`);
  output.answer(answer, () =>
    formatTable(
      ["time", "event", "state", "attempts", "result", "again"],
      answer.deliveries.map((each) => [
        formatMoment(each.create_time),
        oneLine(each.event_desc === null ? "test" : `${each.event_type}: ${each.event_desc}`),
        paintState(each.state),
        String(each.attempts),
        oneLine(each.result ?? ""),
        each.next_attempt_time === null ? "" : formatMoment(each.next_attempt_time),
      ]),
      "nothing was sent yet; try it with: btar notification test NAME",
    ),
  );
}

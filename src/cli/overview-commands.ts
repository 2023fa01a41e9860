import type { Command } from "commander";
import { BtarError } from "../domain/errors.ts";
import type { CloudsAnswer, EventsAnswer, Protection, StatusAnswer } from "./api-answers.ts";
import { type CommandContext, clientCommand, type FindAccess } from "./command-context.ts";
import { formatBytes, formatMoment, formatSeconds, formatTable, formatTime, oneLine, paintState } from "./format.ts";
import { count } from "./setting-options.ts";

const defaultEventCount = 20;

export function addOverviewCommands(program: Command, findAccess: FindAccess): void {
  const status = program
    .command("status [service]")
    .description("is every service safe in a second region, and what could be restored now?")
    .addHelpText("after", "\nExamples:\n  btar status\n  btar status shop --json");
  clientCommand(status, findAccess, (context, [service]) => showStatus(context, service));
  const cloud = program.command("cloud").description("clouds");
  clientCommand(cloud.command("list").description("list the configured clouds"), findAccess, listClouds);
  const events = program
    .command("events")
    .description("what happened, newest first")
    .option("-n, --limit <count>", "how many", count, defaultEventCount);
  clientCommand(events, findAccess, (context) => showEvents(context, events.opts<{ limit: number }>().limit));
}

async function showStatus({ api, output }: CommandContext, service: string | undefined): Promise<void> {
  const status = await api.inProject<StatusAnswer>("GET", "/btar/status");
  const shown = status.services.filter(({ service_name }) => service === undefined || service_name === service);
  if (service !== undefined && shown.length === 0) {
    throw new BtarError("NOT_FOUND", {
      message: `there is no service ${service}`,
      hint: `there are: ${status.services.map(({ service_name }) => service_name).join(", ") || "none yet"}`,
    });
  }
  output.answer(service === undefined ? status : shown[0], () => {
    const parts = service === undefined ? [cloudTable(status), ...lossesOf(status)] : [];
    const down = status.clouds.filter(({ is_up }) => !is_up).map(({ cloud_name }) => cloud_name);
    if (shown.length > 0) parts.push(protectionTable(shown, down));
    const warnings = shown.flatMap(warningsOf);
    if (warnings.length > 0) parts.push(warnings.join("\n"));
    return parts.join("\n\n");
  });
}

function cloudTable({ clouds }: StatusAnswer): string {
  return formatTable(
    ["cloud", "state", "since", "trouble"],
    clouds.map((cloud) => [
      cloud.cloud_name,
      paintState(cloud.is_up ? "up" : "down"),
      cloud.down_since === null ? "" : formatMoment(cloud.down_since),
      oneLine(cloud.trouble ?? ""),
    ]),
  );
}

/** A paragraph for each cloud that is down: what that means for services, and what can be done. */
function lossesOf({ clouds }: StatusAnswer): readonly string[] {
  return clouds.flatMap(({ cloud_name, affected }) => {
    if (affected.length === 0) return [];
    const lines = affected.map(({ service_name, role, restorable }) => {
      const [newest] = restorable;
      const could = newest
        ? `can be forked in ${newest.cloud} up to ${formatMoment(newest.latest_at)}`
        : "cannot be restored from anywhere else";
      return `  ${service_name} (${role === "primary" ? "primary backup" : "copy"}): ${could}`;
    });
    return [[`Without ${cloud_name}:`, ...lines].join("\n")];
  });
}

function protectionTable(services: readonly Protection[], down: readonly string[]): string {
  return formatTable(
    ["service", "state", "location", "backups", "lag", "data at risk", "verified", "can be restored to (UTC)"],
    services.flatMap((service) => service.locations.map((location) => locationRow(service, location, down))),
  );
}

function locationRow(
  service: Protection,
  location: Protection["locations"][number],
  down: readonly string[],
): readonly string[] {
  const { recovery_window: window, replication_lag_seconds: lag, rpo_seconds: rpo } = location;
  const notes: string[] = [location.role];
  if (down.includes(location.cloud)) notes.push("down");
  if (location.paused) notes.push("paused");
  if (location.is_behind) notes.push("behind");
  if (location.bandwidth_limit !== null) notes.push(`at most ${formatBytes(location.bandwidth_limit)}/s`);
  if (location.state === "retiring") notes.push("retiring");
  if (location.state === "deleting") {
    notes.push(location.delete_after ? `kept until ${formatTime(location.delete_after)}` : "being deleted");
  }
  return [
    service.service_name,
    paintState(service.state),
    `${location.cloud} (${notes.join(", ")})`,
    String(location.complete_backups),
    lag === null ? "-" : formatSeconds(lag),
    rpo === null ? "-" : formatSeconds(rpo),
    verifiedText(location.verification),
    window ? `${formatTime(window.earliest_at)} to ${formatTime(window.latest_at)}` : "nothing yet",
  ];
}

function verifiedText({ last_verified_at: at, damaged }: Protection["locations"][number]["verification"]): string {
  const count = damaged.filter(({ kind }) => kind !== "stray").length;
  if (count > 0) return `${count} damaged`;
  return at === null ? "not yet" : formatTime(at);
}

/** Whole sentences, which would burst a table. */
function warningsOf(service: Protection): readonly string[] {
  const about = (place: string, text: string | null) => (text === null ? [] : [`${place}: ${oneLine(text)}`]);
  return [
    ...about(service.service_name, service.trouble),
    ...about(service.service_name, service.reservation_warning),
    ...service.locations.flatMap((location) => [
      ...about(`${service.service_name} in ${location.cloud}`, pauseText(location) ?? location.trouble),
      ...about(`${service.service_name} in ${location.cloud}`, retiringText(location)),
      ...location.verification.damaged.flatMap(({ object, kind, what }) =>
        about(`${service.service_name} in ${location.cloud}`, `${object} is ${kind}: ${what}`),
      ),
    ]),
  ];
}

function pauseText({ paused, pause_reason }: Protection["locations"][number]): string | null {
  return paused ? `copying is paused: ${pause_reason ?? ""}` : null;
}

function retiringText({ state, awaits }: Protection["locations"][number]): string | null {
  return state === "retiring" ? `it stays for now: ${awaits.join(", ") || "it goes at any moment"}` : null;
}

async function listClouds({ api, output }: CommandContext): Promise<void> {
  const answer = await api.inProject<CloudsAnswer>("GET", "/clouds");
  output.answer(answer, () =>
    formatTable(
      ["cloud", "description", "provider"],
      answer.clouds.map((cloud) => [cloud.cloud_name, cloud.cloud_description, cloud.provider_description]),
    ),
  );
}

async function showEvents({ api, output }: CommandContext, limit: number): Promise<void> {
  const answer = await api.inProject<EventsAnswer>("GET", `/events?limit=${limit}`);
  output.answer(answer, () =>
    formatTable(
      ["time", "severity", "service", "event", "by"],
      answer.events.map((event) => [
        formatMoment(event.time),
        paintState(event.severity),
        event.service_name ?? "",
        oneLine(event.event_desc) + adviceText(event),
        event.actor,
      ]),
      "nothing has happened yet",
    ),
  );
}

function adviceText({ advice }: EventsAnswer["events"][number]): string {
  return advice === null ? "" : `\n  to do: ${advice}`;
}

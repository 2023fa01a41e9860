import { styleText } from "node:util";
import Table from "cli-table3";

export { formatBytes } from "../domain/format-bytes.ts";

/** Text from elsewhere on one line, without what would steer a terminal. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, " ")
    .replace(/\p{Cc}/gu, "");
}

/** A span of time for people: `45 s`, `12 min`, `3.5 h`, `2.1 d`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} d`;
}

/** A moment, in UTC to the second: `2026-03-01 10:00:00`. */
export function formatTime(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

/** A moment, in UTC to the second, with its age. */
export function formatMoment(iso: string, now = Date.now()): string {
  const age = (now - Date.parse(iso)) / 1000;
  return `${formatTime(iso)} UTC${age >= 0 ? ` (${formatSeconds(age)} ago)` : ""}`;
}

/**
 * A quiet table: a header, two spaces between columns, no lines.
 * @param whenEmpty what is said where there are no rows; the header alone by default
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  whenEmpty?: string,
): string {
  if (rows.length === 0 && whenEmpty !== undefined) return whenEmpty;
  const none = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
  };
  const more = {
    "bottom-right": "",
    left: "",
    "left-mid": "",
    mid: "",
    "mid-mid": "",
    right: "",
    "right-mid": "",
    middle: "  ",
  };
  const table = new Table({
    head: header.map((title) => title.toUpperCase()),
    chars: { ...none, ...more },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** `key  value` lines. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([key]) => key.length));
  return pairs.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join("\n");
}

const colours: Readonly<Record<string, "green" | "red" | "yellow">> = {
  RUNNING: "green",
  complete: "green",
  up: "green",
  failed: "red",
  down: "red",
  error: "red",
  refused: "yellow",
  waiting: "yellow",
  warning: "yellow",
  REBUILDING: "yellow",
  REBALANCING: "yellow",
};

/** A state in its colour, where the terminal shows colours. */
export function paintState(state: string): string {
  const colour = colours[state];
  return colour ? styleText(colour, state, { stream: process.stdout }) : state;
}

import type { ServerLogLine } from "../../server.ts";
import { lastLines, readNewLines } from "../../server-log-file.ts";

/** The last lines of the log, oldest first. */
export async function lastLogLines(logFile: string, maxLines: number): Promise<readonly ServerLogLine[]> {
  return (await lastLines(logFile, maxLines)).map(parseLogLine);
}

/** What the log says from an offset on, and where to go on. */
export async function newLogLines(
  logFile: string,
  offset: number,
): Promise<{ readonly lines: readonly ServerLogLine[]; readonly offset: number }> {
  const read = await readNewLines(logFile, offset);
  return { lines: read.lines.map(parseLogLine), offset: read.offset };
}

/**
 * Lines begin with a time in UTC, the session's number, how bad it is, the number of the message, and who says it;
 * those that go on from the line before do not.
 */
export function parseLogLine(line: string): ServerLogLine {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d*Z \d+ (\[\w+\] \[MY-\d+\] \[\w+\] .*)$/.exec(line);
  if (!match) return { at: undefined, message: line.trim() };
  return { at: new Date(`${match[1]}Z`), message: match[2] ?? "" };
}

/** What went wrong, for an error's message: the errors, else the last lines. */
export function gistOfLog(lines: readonly string[]): string {
  const messages = lines.map((line) => parseLogLine(line).message);
  const errors = messages.filter((message) => message.startsWith("[ERROR]")).map(withoutMarks);
  const told = errors.length > 0 ? errors.slice(0, 5) : messages.slice(-5);
  return told.join("; ").replaceAll(/\s+/g, " ") || "the server wrote nothing to its log";
}

/** The text of a message, without what comes before it in a line. */
export function withoutMarks(message: string): string {
  return message.replace(/^(\[[\w-]+\] )+(\S*\bmysqld: )?/, "");
}

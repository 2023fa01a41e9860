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

/** Lines begin as `log_line_prefix` of our configuration says; those that go on from the line before do not. */
export function parseLogLine(line: string): ServerLogLine {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) (?:UTC|GMT) \[\d+\] (.*)$/.exec(line);
  if (!match) return { at: undefined, message: line.trim() };
  return { at: new Date(`${match[1]}T${match[2]}Z`), message: match[3] ?? "" };
}

/** What went wrong, for an error's message: the worst lines and what follows them, else the last lines. */
export function gistOfLog(lines: readonly string[]): string {
  const messages = lines.map((line) => parseLogLine(line).message);
  const firstFatal = messages.findIndex((message) => /^(FATAL|PANIC):/.test(message));
  const told = firstFatal < 0 ? messages.slice(-5) : messages.slice(firstFatal, firstFatal + 5);
  return told.join("; ").replaceAll(/\s+/g, " ") || "the server wrote nothing to its log";
}

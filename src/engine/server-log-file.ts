import { copyFile, type FileHandle, open, truncate } from "node:fs/promises";
import { readTextIfThere, statIfThere } from "../platform/files.ts";

/** Past this size the log is moved aside, and what was there before is dropped: twice this is all it takes. */
const maxLogBytes = 16 * 1024 * 1024;

/** The most that is read of a log at once. */
const maxReadBytes = 1024 * 1024;

/**
 * Opens the file that a server's standard error goes to. The server inherits it, so that its log goes on without
 * btar, and holds what it says before and after its configuration counts.
 */
export async function openLog(logFile: string): Promise<FileHandle> {
  return await open(logFile, "a", 0o600);
}

/**
 * Keeps a log from growing without end. The file itself stays, since the server has it open: it is copied to
 * `FILE.1` and emptied. Lines that the server writes in between are lost.
 */
export async function boundLog(logFile: string): Promise<void> {
  const status = await statIfThere(logFile);
  if (!status || status.size <= maxLogBytes) return;
  await copyFile(logFile, `${logFile}.1`);
  await truncate(logFile);
}

/** Where the log ends now, to read on from there later. */
export async function logSize(logFile: string): Promise<number> {
  return (await statIfThere(logFile))?.size ?? 0;
}

/**
 * What the log says from `offset` on, at most the last MiB of it; from its start if it was emptied since.
 * @returns lines, oldest first
 */
export async function readLogFrom(logFile: string, offset: number): Promise<readonly string[]> {
  const size = await logSize(logFile);
  const start = Math.max(size < offset ? 0 : offset, size - maxReadBytes);
  if (size === start) return [];
  const handle = await open(logFile, "r");
  try {
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
    return lines.filter((line) => line !== "");
  } finally {
    await handle.close();
  }
}

/** What is new in a log. */
export interface NewLines {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** Where to read on, bytes. */
  readonly offset: number;
}

/**
 * Whole lines of the log from `offset` on, at most the last MiB of them. If it was emptied since, those come first that
 * were moved aside unread.
 */
export async function readNewLines(logFile: string, offset: number): Promise<NewLines> {
  if ((await logSize(logFile)) >= offset) return await wholeLines(logFile, offset);
  const earlier = await wholeLines(`${logFile}.1`, offset);
  const current = await wholeLines(logFile, 0);
  return { lines: [...earlier.lines, ...current.lines], offset: current.offset };
}

async function wholeLines(file: string, offset: number): Promise<NewLines> {
  const size = await logSize(file);
  const start = Math.max(offset, size - maxReadBytes);
  if (size <= start) return { lines: [], offset };
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    const end = buffer.subarray(0, bytesRead).lastIndexOf("\n") + 1;
    const lines = buffer.toString("utf8", 0, end).split("\n");
    // Where some was passed over, reading may have begun within a line.
    if (start > offset) lines.shift();
    return { lines: lines.filter((line) => line !== ""), offset: start + end };
  } finally {
    await handle.close();
  }
}

/** The last lines of the log, oldest first. */
export async function lastLines(logFile: string, maxLines: number): Promise<readonly string[]> {
  const current = await readLogFrom(logFile, 0);
  const earlier = current.length < maxLines ? ((await readTextIfThere(`${logFile}.1`)) ?? "") : "";
  const lines = [...earlier.split("\n").filter((line) => line !== ""), ...current];
  return lines.slice(-maxLines);
}

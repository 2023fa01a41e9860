import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { syncDirectory } from "../../platform/files.ts";
import type { LostRangeSummary } from "./summary.ts";
import { summaryText, transactionText } from "./summary-text.ts";
import type { ToldTransaction } from "./transaction-list.ts";

export const summaryFiles = { json: "summary.json", text: "summary.txt" } as const;

/**
 * Writes what was found, for programs and for people: the summary, then every transaction.
 * @param list file of transactions, a line of JSON each
 */
export async function writeSummary(directory: string, summary: LostRangeSummary, list: string): Promise<void> {
  await writeText(path.join(directory, summaryFiles.json), jsonOf(summary, list));
  await writeText(path.join(directory, summaryFiles.text), textOf(summary, list));
  await syncDirectory(directory);
}

async function* jsonOf(summary: LostRangeSummary, list: string): AsyncGenerator<string, void, undefined> {
  const head = JSON.stringify({ format: 1, ...summary }, undefined, 2);
  yield `${head.slice(0, head.lastIndexOf("\n"))},\n  "transactionList": [`;
  let separator = "";
  for await (const line of linesOf(list)) {
    yield `${separator}\n    ${line}`;
    separator = ",";
  }
  yield `${separator === "" ? "" : "\n  "}]\n}\n`;
}

async function* textOf(summary: LostRangeSummary, list: string): AsyncGenerator<string, void, undefined> {
  yield summaryText(summary);
  for await (const line of linesOf(list)) {
    const transaction: ToldTransaction = JSON.parse(line);
    yield `${transactionText(transaction)}\n`;
  }
}

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });
}

/** Made durable. */
async function writeText(name: string, parts: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(parts), createWriteStream(name, { mode: 0o600 }));
  const file = await open(name, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

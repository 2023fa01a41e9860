import type { LostRangeSummary } from "./summary.ts";
import type { TableTotal, ToldTable, ToldTransaction } from "./transaction-list.ts";

/** What people read first: the totals, and where they are from. */
export function summaryText(summary: LostRangeSummary): string {
  const { fork, source, cloud, forkEnd, forkLastCommitAt } = summary;
  const lines = [
    `What ${source} in ${cloud} has done that ${fork} does not hold`,
    "",
    ...verdict(summary),
    "",
    `${fork} holds the log up to ${forkEnd.text}${forkLastCommitAt === null ? "" : `, its last transaction is of ${forkLastCommitAt}`}`,
    ...extent(summary),
    ...summary.gaps.flatMap(gapLines),
    ...(summary.namesTrouble === null ? [] : [`Names of tables: ${summary.namesTrouble}`]),
  ];
  return `${lines.join("\n")}\n\n${tableText(summary)}\nTransactions, in the order of the log${legend(summary)}\n\n`;
}

function verdict(summary: LostRangeSummary): readonly string[] {
  const { transactions, fork, source, gaps, accountTransactions, otherTransactions } = summary;
  if (summary.state === "none") return [`Nothing was lost: no transaction of ${source} is missing in ${fork}.`];
  const lines = [
    `${transactions} transaction${transactions === 1 ? "" : "s"} of ${source} ${transactions === 1 ? "is" : "are"} not in ${fork}.`,
  ];
  if (summary.firstCommitAt !== null && summary.lastCommitAt !== null) {
    lines.push(`They were committed from ${summary.firstCommitAt} to ${summary.lastCommitAt}.`);
  }
  if (summary.transactionsAfterFork > 0) {
    lines.push(`${summary.transactionsAfterFork} of them were committed after ${fork} was made: both were written to.`);
  }
  if (summary.transactionsOnServerOnly > 0) {
    lines.push(`${summary.transactionsOnServerOnly} of them are not in the store, only on the server of ${source}.`);
  }
  if (summary.partialTransactions > 0) {
    lines.push(
      `Of ${summary.partialTransactions} of them not all changes could be counted; they are marked "in part".`,
    );
  }
  if (accountTransactions > 0) {
    lines.push(
      `${accountTransactions} more changed users, roles and rights alone, as btar does when it applies settings.`,
    );
  }
  if (otherTransactions > 0) lines.push(`${otherTransactions} more changed nothing that people have made.`);
  if (gaps.length > 0) lines.push("There may be more: log is missing, or cannot be read; see below.");
  return lines;
}

function extent({ storeEnd, serverEnd, server, leftHistoryAt, ...summary }: LostRangeSummary): readonly string[] {
  const lines = [];
  if (leftHistoryAt) {
    lines.push(
      `${summary.source} went on from ${leftHistoryAt.text}, before that: what ${summary.fork} holds behind it is its own alone`,
    );
  }
  if (storeEnd) lines.push(`The store of ${summary.cloud} goes on to ${storeEnd.text}: ${summary.storeBytes} bytes`);
  else lines.push(`The store of ${summary.cloud} holds no more`);
  if (serverEnd)
    lines.push(`The server goes on to ${serverEnd.text}: ${summary.serverBytes} bytes that are not stored`);
  else if (server.state === "read") lines.push("The server holds no more than the store");
  if (server.trouble !== null) {
    lines.push(`What the server itself holds beyond the store is not known: ${server.trouble}`);
  }
  return lines;
}

function gapLines({ what, objects }: LostRangeSummary["gaps"][number]): readonly string[] {
  return [`Missing: ${what}`, ...objects.map((key) => `  damaged or missing in the store: ${key}`)];
}

function tableText({ tables, moreTables }: LostRangeSummary): string {
  const told = tables.filter(({ kind }) => kind === "table");
  const rows = [["table", "inserted", "updated", "deleted", "transactions"], ...told.map(totalCells)];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  if (moreTables === null) lines.push("and more than could be counted");
  else if (moreTables > 0) lines.push(`and ${moreTables} more in summary.json`);
  return told.length === 0 ? "No rows of tables were changed\n" : `${lines.join("\n")}\n`;
}

function totalCells({ name, inserts, updates, deletes, transactions }: TableTotal): string[] {
  return [name, ...[inserts, updates, deletes, transactions].map(String)];
}

function legend({ transactions, accountTransactions }: LostRangeSummary): string {
  return transactions + accountTransactions === 0
    ? ": none"
    : ": when, which, where in the log; + inserted, ~ updated, - deleted rows";
}

/** One transaction on a line, with statements below it. */
export function transactionText(transaction: ToldTransaction): string {
  const {
    committedAt,
    id,
    position,
    tables,
    moreTables,
    statements = [],
    partial,
    afterFork,
    accounts,
    from,
  } = transaction;
  const told = tables.filter(({ kind }) => kind === "table");
  const parts = told.map(changeText);
  if (moreTables !== undefined) parts.push(`and ${moreTables} more tables`);
  if (told.length === 0 && statements.length === 0) parts.push(accounts ? "accounts" : "definitions only");
  if (from === "server") parts.push("(only on the server)");
  if (afterFork) parts.push("(after the fork)");
  if (partial) parts.push("(in part)");
  const line = `${committedAt}  ${id}  ${position}  ${parts.join(", ")}`;
  return [line.trimEnd(), ...statements.map((statement) => `    ${statement.replaceAll(/\s+/g, " ")}`)].join("\n");
}

function changeText({ name, inserts, updates, deletes, made, dropped }: ToldTable): string {
  const counts = [
    ...(inserts === 0 ? [] : [`+${inserts}`]),
    ...(updates === 0 ? [] : [`~${updates}`]),
    ...(deletes === 0 ? [] : [`-${deletes}`]),
    ...(made ? ["made or rewritten"] : []),
    ...(dropped ? ["dropped"] : []),
  ];
  return `${name} ${counts.join(" ")}`;
}

import { rowsPerTable, tableCount, tableName } from "./sysbench-data.ts";
import type { MysqlServer } from "./server.ts";

const writerCount = 4;

/** When the writers end: after so many transactions of all of them, or so many seconds. */
export type WritingEnd = { readonly transactions: number } | { readonly seconds: number };

/**
 * Four clients with the transactions of sysbench's `oltp_write_only`: two updates, a delete and an insert of the same row.
 * @returns how many transactions were committed
 */
export async function write(
  server: MysqlServer,
  options: WritingEnd & { readonly gigabytes: number; readonly signal: AbortSignal },
): Promise<number> {
  const untilMs = "seconds" in options ? Date.now() + options.seconds * 1000 : Number.POSITIVE_INFINITY;
  const limit = "transactions" in options ? options.transactions : Number.POSITIVE_INFINITY;
  const rows = rowsPerTable(options.gigabytes);
  let begun = 0;
  const writer = async () => {
    const connection = await server.connect();
    try {
      while (begun < limit && Date.now() < untilMs) {
        options.signal.throwIfAborted();
        begun += 1;
        await connection.query(transaction(rows));
      }
    } finally {
      await connection.end();
    }
  };
  await Promise.all(Array.from({ length: writerCount }, writer));
  return begun;
}

function transaction(rows: number): string {
  const table = () => tableName(1 + Math.floor(Math.random() * tableCount));
  const id = () => 1 + Math.floor(Math.random() * rows);
  const [replaced, place] = [table(), id()];
  return `begin;
    update ${table()} set k = k + 1 where id = ${id()};
    update ${table()} set c = '${digits(10)}' where id = ${id()};
    delete from ${replaced} where id = ${place};
    insert into ${replaced} values (${place}, ${id()}, '${digits(10)}', '${digits(5)}');
    commit`;
}

function digits(groups: number): string {
  const group = () => String(Math.floor(Math.random() * 1e11)).padStart(11, "0");
  return Array.from({ length: groups }, group).join("-");
}

import type { MysqlServer } from "./server.ts";

export const database = "sbtest";
/** As many as sysbench is commonly told to make. */
export const tableCount = 4;
const rowsPerStatement = 50_000;
/** With the index on `k`: what the files of a table have grown by when it is full. */
const bytesPerRow = 245;
/** Rows on a page of 16 KiB. */
const rowsPerPage = 73;

/** Name of table number `number`, from 1 on. */
export function tableName(number: number): string {
  return `${database}.sbtest${number}`;
}

export function rowsPerTable(gigabytes: number): number {
  return Math.round((gigabytes * 1e9) / bytesPerRow / tableCount);
}

/** Tables of sysbench's OLTP tests: numbers, and texts of digits that compress to about a half. */
export async function fillTables(server: MysqlServer, gigabytes: number): Promise<void> {
  await server.sql(`create database ${database}`);
  await server.sql("alter instance disable innodb redo_log");
  const tables = Array.from({ length: tableCount }, (_, index) => index + 1);
  const fillNext = async () => {
    for (let table = tables.shift(); table !== undefined; table = tables.shift()) {
      await fillTable(server, tableName(table), rowsPerTable(gigabytes));
    }
  };
  await Promise.all([fillNext(), fillNext()]);
  await server.sql("alter instance enable innodb redo_log");
}

async function fillTable(server: MysqlServer, table: string, rows: number): Promise<void> {
  const connection = await server.connect();
  try {
    await connection.query(
      `set sql_log_bin = 0; set cte_max_recursion_depth = ${rowsPerStatement};
       create table ${table} (id int not null auto_increment primary key, k int not null default 0,
         c char(120) not null default '', pad char(60) not null default '')`,
    );
    for (let first = 1; first <= rows; first += rowsPerStatement) {
      const last = Math.min(rows, first + rowsPerStatement - 1);
      await connection.query(
        `insert into ${table}
         with recursive n (id) as (select ${first} union all select id + 1 from n where id < ${last})
         select id, 1 + floor(rand() * ${rows}), ${groupsOfDigits(10)}, ${groupsOfDigits(5)} from n`,
      );
    }
    await connection.query(`alter table ${table} add key k (k)`);
  } finally {
    await connection.end();
  }
}

/** `68487932199-96439406143-…`: groups of eleven random digits. */
function groupsOfDigits(count: number): string {
  const groups = Array.from({ length: count }, () => "lpad(floor(rand() * 1e11), 11, '0')");
  return `concat_ws('-', ${groups.join(", ")})`;
}

/** One row of each so many, on a page of its own: 1 % of the tables' pages. In each round other ones. */
export async function changeOnePercent(server: MysqlServer, round: number): Promise<void> {
  for (let number = 1; number <= tableCount; number += 1) {
    await server.sql(
      `update ${tableName(number)} set pad = reverse(pad) where id % ${100 * rowsPerPage} = ${1 + round * rowsPerPage}`,
    );
  }
}

/** What tells whether two servers hold the same: numbers of rows, and sums of `k`. */
export const tablesDigestQuery = Array.from(
  { length: tableCount },
  (_, index) => `select concat(count(*), ' rows, ', sum(k), ' in all') as digest from ${tableName(index + 1)}`,
).join(" union all ");

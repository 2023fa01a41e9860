import type pg from "pg";

const accountsPerScale = 100_000;
const scalesPerStatement = 10;

/** Makes and fills the tables of `pgbench -i -s SCALE`, by SQL alone: the server programs come without pgbench. */
export async function loadPgbench(client: pg.Client, scale: number): Promise<void> {
  for (const statement of [
    "create table pgbench_accounts (aid int not null, bid int, abalance int, filler char(84)) with (fillfactor = 100)",
    "create table pgbench_branches (bid int not null, bbalance int, filler char(88)) with (fillfactor = 100)",
    "create table pgbench_tellers (tid int not null, bid int, tbalance int, filler char(84)) with (fillfactor = 100)",
    "create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
    `insert into pgbench_branches select b, 0, '' from generate_series(1, ${scale}) b`,
    `insert into pgbench_tellers select t, (t - 1) / 10 + 1, 0, '' from generate_series(1, ${scale * 10}) t`,
  ]) {
    await client.query(statement);
  }
  for (let first = 0; first < scale; first += scalesPerStatement) {
    const from = first * accountsPerScale + 1;
    const to = Math.min(scale, first + scalesPerStatement) * accountsPerScale;
    await client.query(
      `insert into pgbench_accounts
       select a, (a - 1) / ${accountsPerScale} + 1, 0, '' from generate_series(${from}, ${to}) a`,
    );
  }
  await client.query("alter table pgbench_accounts add primary key (aid)");
  await client.query("alter table pgbench_branches add primary key (bid)");
  await client.query("alter table pgbench_tellers add primary key (tid)");
  await client.query("vacuum analyze");
}

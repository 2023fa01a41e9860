import { setTimeout as delay } from "node:timers/promises";
import mysql from "mysql2/promise";
import type { TestMysql } from "./mysql-server.ts";

/** A schema and table whose names MySQL encodes in file names. */
export const oddSchema = "odd näme-1.x";
const oddTable = "tëst $1/2 名前";

/**
 * Makes tables of every kind that InnoDB stores in a way of its own, with some rows.
 * @param externalDirectory that the server may put tables into, outside of its data directory
 * @param rows of the largest tables
 */
export async function createTables(server: TestMysql, externalDirectory: string, rows = 20_000): Promise<void> {
  await server.sql(`
    CREATE DATABASE shop; CREATE DATABASE \`${oddSchema}\`; CREATE DATABASE empty_one; USE shop;
    CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, note VARCHAR(250) NOT NULL, details JSON,
      first_item VARCHAR(30) GENERATED ALWAYS AS (details->>'$.item') STORED, doubled INT AS (customer * 2) VIRTUAL,
      KEY (customer), KEY (first_item), KEY (doubled), FULLTEXT (note));
    CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, content BLOB,
      CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
    CREATE TABLE parts (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) PARTITION BY HASH (id) PARTITIONS 4;
    CREATE TABLE packed (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8;
    CREATE TABLE holes (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) COMPRESSION = 'zlib';
    CREATE TABLESPACE shared ADD DATAFILE 'shared space.ibd';
    CREATE TABLE in_shared (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) TABLESPACE shared;
    CREATE TABLESPACE far ADD DATAFILE '${externalDirectory}/far.ibd';
    CREATE TABLE in_far (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) TABLESPACE far;
    CREATE TABLE elsewhere (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) DATA DIRECTORY = '${externalDirectory}';
    CREATE TABLE plain (id INT PRIMARY KEY) ENGINE = MyISAM ENCRYPTION = 'N';
    CREATE TABLE \`${oddSchema}\`.\`${oddTable}\` (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200));
    CREATE UNDO TABLESPACE extra_undo ADD DATAFILE 'extra.ibu';
    SET SESSION cte_max_recursion_depth = 100000;
    INSERT INTO orders (customer, note, details)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
      SELECT i % 100, CONCAT('note ', i, ' ', REPEAT(SHA2(i, 256), 2)), JSON_OBJECT('item', CONCAT('item ', i)) FROM n;
    INSERT INTO items (order_id, content) SELECT id, RANDOM_BYTES(700) FROM orders;
  `);
  for (const table of textTables) {
    await server.sql(`INSERT INTO ${table} (text) SELECT note FROM shop.orders WHERE id <= ${rows / 4}`);
  }
}

const textTables = ["parts", "packed", "holes", "in_shared", "in_far", "elsewhere"]
  .map((name) => `shop.${name}`)
  .concat(`\`${oddSchema}\`.\`${oddTable}\``);

/** Writers that change rows, and one that changes tables, until they are stopped. */
export class MysqlLoad implements AsyncDisposable {
  readonly #server: TestMysql;
  readonly #work: Promise<void>[];
  #isStopping = false;
  #definitionChanges = 0;
  #rowChanges = 0;
  #failure: unknown;
  #progressed = Promise.withResolvers<void>();

  /** @param more what another writer does, in turns */
  constructor(server: TestMysql, more?: (connection: mysql.Connection, turn: number) => Promise<void>) {
    this.#server = server;
    this.#work = [1, 2].map((number) => this.#run((connection, turn) => this.#changeRows(connection, number, turn)));
    this.#work.push(this.#run((connection, turn) => this.#changeTables(connection, turn)));
    if (more) this.#work.push(this.#run(more));
  }

  /**
   * Waits until this many more rounds of changes of tables, and ten times as many of rows, are through; or for some
   * time, since changes of a table can wait for whoever asks.
   */
  async goOn(rounds: number, { atMostMs = 20_000 } = {}): Promise<void> {
    const until = { definitions: this.#definitionChanges + rounds, rows: this.#rowChanges + 10 * rounds };
    const over = delay(atMostMs, true, { ref: false });
    while (this.#definitionChanges < until.definitions || this.#rowChanges < until.rows) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isStopping || (await Promise.race([this.#progressed.promise, over])) === true) return;
    }
  }

  /** Lets every writer finish what it does. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#tellProgress();
    await Promise.all(this.#work);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#work);
  }

  async #run(work: (connection: mysql.Connection, turn: number) => Promise<void>): Promise<void> {
    const { host, port, user, password } = this.#server.address;
    try {
      const connection = await mysql.createConnection({ host, port, user, password: password ?? "", database: "shop" });
      try {
        for (let turn = 0; !this.#isStopping; turn += 1) await work(connection, turn);
      } finally {
        connection.destroy();
      }
    } catch (error) {
      this.#failure ??= error;
      this.#tellProgress();
    }
  }

  async #changeRows(connection: mysql.Connection, writer: number, turn: number): Promise<void> {
    const seed = (turn * 7919 + writer * 104_729) % 20_000;
    await connection.beginTransaction();
    await connection.query("INSERT INTO orders (customer, note, details) VALUES (?, ?, ?)", [
      writer,
      `new ${turn} ${"ä".repeat(100)}`,
      JSON.stringify({ item: `item ${turn}` }),
    ]);
    await connection.query(
      "UPDATE orders SET customer = customer + 1, note = CONCAT('up ', LEFT(note, 200)) WHERE id = ?",
      [seed],
    );
    await connection.query("UPDATE items SET content = RANDOM_BYTES(650) WHERE id = ?", [(seed * 3) % 20_000]);
    for (const table of textTables) {
      await connection.query(`UPDATE ${table} SET text = CONCAT(?, SHA2(id, 256)) WHERE id = ?`, [
        writer,
        (seed % 5000) + 1,
      ]);
    }
    await connection.query("DELETE FROM orders WHERE id = ?", [(seed + 1) * 2 + writer]);
    await connection.commit();
    this.#rowChanges += 1;
    this.#tellProgress();
  }

  async #changeTables(connection: mysql.Connection, turn: number): Promise<void> {
    const [one, other] = [`made_${turn}`, `moved_${turn}`];
    await connection.query(`CREATE TABLE ${one} (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(100), KEY (text))`);
    await connection.query(`INSERT INTO ${one} (text) SELECT LEFT(note, 100) FROM orders LIMIT 200`);
    await connection.query(`RENAME TABLE ${one} TO ${other}`);
    if (turn % 3 === 0) await connection.query(`ALTER TABLE ${other} ADD COLUMN more INT, ALGORITHM = INPLACE`);
    if (turn % 3 === 1) await connection.query(`ALTER TABLE ${other} ENGINE = InnoDB`);
    if (turn % 3 === 2) await connection.query(`TRUNCATE TABLE ${other}`);
    if (turn >= 2)
      await connection.query(`RENAME TABLE moved_${turn - 1} TO swap, ${other} TO moved_${turn - 1}, swap TO ${other}`);
    if (turn >= 4) await connection.query(`DROP TABLE IF EXISTS moved_${turn - 4}`);
    await connection.query("ALTER TABLE parts ADD COLUMN more INT, ALGORITHM = INPLACE");
    await connection.query("ALTER TABLE parts DROP COLUMN more, ALGORITHM = INPLACE");
    await connection.query(`CREATE DATABASE made_${turn}`);
    await connection.query(`CREATE TABLE made_${turn}.t (id INT PRIMARY KEY)`);
    if (turn % 2 === 1) await connection.query(`DROP DATABASE made_${turn - 1}`);
    this.#definitionChanges += 1;
    this.#tellProgress();
  }

  #tellProgress(): void {
    this.#progressed.resolve();
    this.#progressed = Promise.withResolvers();
  }
}

/** Checksums of all tables of users, by name; what CHECK TABLE finds is an error. */
export async function checkedTables(server: Pick<TestMysql, "sql">): Promise<ReadonlyMap<string, string>> {
  const names = await server.sql(`SELECT CONCAT('\`', table_schema, '\`.\`', table_name, '\`') AS name
    FROM information_schema.tables WHERE table_type = 'BASE TABLE'
    AND table_schema NOT IN ('mysql', 'performance_schema', 'sys') ORDER BY 1`);
  const list = names.map(({ name }) => String(name)).join(", ");
  const checks = await server.sql(`CHECK TABLE ${list}`);
  const problems = checks.filter(({ Msg_text, Msg_type }) => Msg_text !== "OK" && Msg_type !== "note");
  if (problems.length > 0) throw new Error(`CHECK TABLE: ${JSON.stringify(problems)}`);
  const rows = await server.sql(`CHECKSUM TABLE ${list} EXTENDED`);
  return new Map(rows.map(({ Table, Checksum }) => [String(Table), String(Checksum)]));
}

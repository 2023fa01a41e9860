/** Tables and programs of every kind that MySQL has, beyond those of `createTables`. */
import type mysql from "mysql2/promise";
import type { TestMysql } from "./mysql-server.ts";

/** Tables of engines that a clone leaves empty. */
export const emptiedTables = ["`shop`.`plain`", "`shop`.`listed`", "`shop`.`in_memory`"];

/**
 * Makes them in the schema `shop`, with some rows.
 * @param externalDirectory that the server may put tables into, outside of its data directory
 */
export async function createKinds(server: TestMysql, externalDirectory: string): Promise<void> {
  await server.sql(`USE shop; SET SESSION cte_max_recursion_depth = 10000;
    CREATE TABLE places (id INT PRIMARY KEY AUTO_INCREMENT, at POINT NOT NULL SRID 4326, SPATIAL INDEX (at));
    INSERT INTO places (at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      SELECT ST_SRID(POINT(i % 180, i % 90), 4326) FROM n;
    CREATE TABLE tagged (id INT PRIMARY KEY AUTO_INCREMENT, doc JSON, hash BINARY(32) AS (UNHEX(SHA2(doc->>'$.name', 256))) STORED,
      KEY tags ((CAST(doc->'$.tags' AS UNSIGNED ARRAY))), KEY names ((CAST(doc->>'$.name' AS CHAR(30)))));
    INSERT INTO tagged (doc) SELECT JSON_OBJECT('name', CONCAT('n', id), 'tags', JSON_ARRAY(id % 7, id)) FROM places;
    CREATE TABLE ranges (id INT NOT NULL, part INT NOT NULL, text VARCHAR(200), PRIMARY KEY (id, part))
      PARTITION BY RANGE (part) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
      (PARTITION low VALUES LESS THAN (10), PARTITION mid VALUES LESS THAN (20) DATA DIRECTORY = '${externalDirectory}',
       PARTITION high VALUES LESS THAN MAXVALUE);
    INSERT INTO ranges SELECT id, id % 30, REPEAT('r', 100) FROM places;
    CREATE TABLE tight (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 4;
    INSERT INTO tight (text) SELECT REPEAT(SHA2(id, 512), 20) FROM places LIMIT 500;
    CREATE TABLE grown (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200));
    INSERT INTO grown (text) SELECT 'before' FROM places;
    ALTER TABLE grown ADD COLUMN late INT DEFAULT 5, ALGORITHM = INSTANT;
    INSERT INTO grown (text, late) VALUES ('between', 6);
    ALTER TABLE grown ADD COLUMN hidden INT DEFAULT 7 INVISIBLE, ALGORITHM = INSTANT;
    ALTER TABLE grown DROP COLUMN text, ALGORITHM = INSTANT;
    CREATE TABLE documents (id INT PRIMARY KEY, body LONGBLOB);
    CREATE TABLE ledger (id INT PRIMARY KEY, amount INT);
    INSERT INTO ledger SELECT id, 0 FROM places;
    CREATE TABLE promised (id INT PRIMARY KEY, amount INT);
    INSERT INTO promised SELECT id, 0 FROM ledger LIMIT 100;
    CREATE TABLE listed (id INT NOT NULL, text VARCHAR(20) NOT NULL) ENGINE = CSV;
    CREATE TABLE in_memory (id INT PRIMARY KEY, text VARCHAR(20)) ENGINE = MEMORY;
    INSERT INTO plain SELECT id FROM ledger; INSERT INTO listed SELECT id, 'row' FROM ledger; INSERT INTO in_memory SELECT id, 'row' FROM ledger;
    CREATE UNDO TABLESPACE far_undo ADD DATAFILE '${externalDirectory}/far.ibu';
    CREATE TABLE \`t%b\\'"🐬 ${"ü".repeat(40)}\` (\`spalte ß\` INT PRIMARY KEY COMMENT 'żółw');
    INSERT INTO \`t%b\\'"🐬 ${"ü".repeat(40)}\` SELECT id FROM ledger`);
  await createPrograms(server);
}

async function createPrograms(server: TestMysql): Promise<void> {
  for (const statement of [
    "CREATE VIEW totals AS SELECT customer, COUNT(*) AS orders FROM orders GROUP BY customer",
    "CREATE SQL SECURITY INVOKER VIEW dear AS SELECT * FROM ledger WHERE amount > 1 WITH CHECK OPTION",
    "CREATE TRIGGER on_grown BEFORE INSERT ON grown FOR EACH ROW SET NEW.late = COALESCE(NEW.late, 1) + 1",
    "CREATE FUNCTION twice (n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    "CREATE PROCEDURE pay (IN who INT, OUT paid INT) BEGIN UPDATE ledger SET amount = twice(amount) WHERE id = who; SET paid = ROW_COUNT(); END",
    "CREATE EVENT cleans ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders WHERE id < 0",
    "CREATE EVENT waits ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DISABLE COMMENT 'nächtlich' DO SET @ä = 'ö'",
    "CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' DO DELETE FROM orders",
  ]) {
    await server.sql(`USE shop; ${statement}`);
  }
}

/** What a load can do to them, again and again. */
export async function changeKinds(connection: mysql.Connection, turn: number): Promise<void> {
  const id = (turn * 37) % 2000;
  for (const statement of [
    `INSERT INTO places (at) VALUES (ST_SRID(POINT(${turn % 180}, ${turn % 90}), 4326))`,
    `DELETE FROM places WHERE id = ${id}`,
    `UPDATE tagged SET doc = JSON_SET(doc, '$.name', 'n${turn}', '$.tags[1]', ${turn}) WHERE id = ${id}`,
    `UPDATE ranges SET part = (part + 7) % 30, text = REPEAT('${turn % 10}', 150) WHERE id = ${id}`,
    `UPDATE tight SET text = REPEAT(SHA2(${turn}, 512), 25) WHERE id = ${id % 500}`,
    `INSERT INTO grown (late) VALUES (${turn}), (NULL)`,
    `UPDATE grown SET hidden = ${turn} WHERE id = ${id}`,
    `UPDATE ledger SET amount = amount + 1 WHERE id = ${id}`,
    `UPDATE plain SET id = -id WHERE id = ${id}`,
    `UPDATE in_memory SET text = 'changed' WHERE id = ${id}`,
    "TRUNCATE TABLE elsewhere",
    "INSERT INTO elsewhere (text) SELECT note FROM orders LIMIT 50",
    "ALTER TABLE ranges REORGANIZE PARTITION high INTO (PARTITION more VALUES LESS THAN (25), PARTITION high VALUES LESS THAN MAXVALUE)",
    "ALTER TABLE ranges REORGANIZE PARTITION more, high INTO (PARTITION high VALUES LESS THAN MAXVALUE)",
  ]) {
    await connection.query(statement);
  }
}

/** What only the log has: definitions of all kinds, and transactions larger than a packet. */
export async function changeDefinitions(server: TestMysql, externalDirectory: string): Promise<void> {
  for (const statement of [
    `CREATE TABLE new_elsewhere (id INT PRIMARY KEY) DATA DIRECTORY = '${externalDirectory}'`,
    "INSERT INTO new_elsewhere SELECT id FROM ledger",
    "ALTER TABLE elsewhere ADD COLUMN copied INT, ALGORITHM = COPY",
    "ALTER TABLE in_far TABLESPACE innodb_file_per_table",
    "CREATE TABLE in_far_too (id INT PRIMARY KEY) TABLESPACE far",
    "ALTER TABLE grown ADD COLUMN later VARCHAR(20) DEFAULT 'x' FIRST, ALGORITHM = INSTANT",
    "ALTER TABLE tagged ALTER INDEX names INVISIBLE",
    "ALTER TABLE items ADD CONSTRAINT positive CHECK (order_id > 0)",
    "CREATE TABLE swapped (id INT NOT NULL, part INT NOT NULL, text VARCHAR(200), PRIMARY KEY (id, part))",
    "RENAME TABLE tight TO narrow",
    "SET SESSION sql_generate_invisible_primary_key = ON; CREATE TABLE keyless (amount INT)",
    "INSERT INTO keyless SELECT id FROM ledger LIMIT 100; DELETE FROM keyless WHERE amount % 2 = 0",
    "CREATE OR REPLACE VIEW totals AS SELECT customer, SUM(doubled) AS orders FROM orders GROUP BY customer",
    "DROP TRIGGER on_grown; CREATE DEFINER = 'gone'@'%' TRIGGER on_ledger AFTER UPDATE ON ledger FOR EACH ROW INSERT INTO keyless (amount) VALUES (NEW.amount)",
    "SET SESSION sql_mode = 'ANSI_QUOTES'; CREATE FUNCTION quoted () RETURNS INT DETERMINISTIC RETURN (SELECT COUNT(*) FROM \"keyless\")",
    "ALTER EVENT waits COMMENT 'immer noch'",
    "ALTER EVENT cleans DISABLE",
    "CREATE EVENT made ON SCHEDULE EVERY 1 HOUR DO DO 1",
    "CREATE EVENT made_off ON SCHEDULE EVERY 1 HOUR DISABLE DO DO 1",
    "ALTER EVENT once RENAME TO once_more",
    "CREATE DATABASE empty_two CHARACTER SET latin1",
    "DROP DATABASE empty_one",
    "SET SESSION binlog_transaction_compression = OFF; INSERT INTO documents VALUES (1, REPEAT('large', 4000000))",
    "BEGIN; INSERT INTO documents VALUES (2, REPEAT('packed', 3000000)); UPDATE documents SET body = CONCAT(body, 'x'); COMMIT",
  ]) {
    await server.sql(`USE shop; ${statement}`);
  }
}

const ownSchemas = "('mysql', 'sys', 'performance_schema', 'information_schema')";

/** Where definitions are found, and columns that differ from server to server though they are the same. */
const definitions: readonly (readonly [table: string, schema: string, columns: string])[] = [
  ["schemata", "schema_name", "schema_name, default_character_set_name, default_collation_name"],
  [
    "columns",
    "table_schema",
    "table_schema, table_name, column_name, ordinal_position, column_type, column_default, extra, generation_expression",
  ],
  [
    "statistics",
    "table_schema",
    "table_schema, table_name, index_name, seq_in_index, column_name, index_type, is_visible, expression",
  ],
  [
    "partitions",
    "table_schema",
    "table_schema, table_name, partition_name, subpartition_name, partition_method, partition_description",
  ],
  [
    "referential_constraints",
    "constraint_schema",
    "constraint_schema, constraint_name, table_name, referenced_table_name, delete_rule",
  ],
  ["check_constraints", "constraint_schema", "constraint_schema, constraint_name, check_clause"],
  ["views", "table_schema", "table_schema, table_name, view_definition, check_option, definer, security_type"],
  [
    "triggers",
    "trigger_schema",
    "trigger_schema, trigger_name, event_object_table, action_statement, sql_mode, definer",
  ],
  ["routines", "routine_schema", "routine_schema, routine_name, routine_definition, sql_mode, definer"],
  [
    "events",
    "event_schema",
    "event_schema, event_name, event_definition, status, on_completion, sql_mode, time_zone, character_set_client, interval_value, event_comment, definer",
  ],
];

/** All definitions of a server, as text to compare. */
export async function definitionsOf(
  server: Pick<TestMysql, "sql">,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const found: Record<string, readonly string[]> = {};
  for (const [table, schema, columns] of definitions) {
    const where = `${schema} NOT IN ${ownSchemas}`;
    const rows = await server.sql(`SELECT ${columns} FROM information_schema.${table} WHERE ${where}`);
    // Programs tell of a replay that passed over the directories of its source's tables.
    found[table] = rows.map((row) => JSON.stringify(Object.values(row)).replace(/,?NO_DIR_IN_CREATE/, "")).sort();
  }
  return found;
}

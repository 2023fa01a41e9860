import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStatements, parseEventStatement, StatementReader } from "./event-statements.ts";

test("what a log does to scheduled events is read from its statements, whichever way they are written", () => {
  const read = (text: string) => {
    const { verb, schema, name, status, newSchema, newName } = parseEventStatement(text) ?? {};
    return [verb, schema, name, status, newSchema, newName].map((part) => part ?? "").join(" ");
  };
  const definer = "DEFINER=`ro``ot`@`%`";
  assert.equal(read(`CREATE ${definer} EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 'DISABLE'`), "CREATE  e   ");
  assert.equal(
    read(
      `create ${definer} event if not exists \`s\`.\`e 1\` ON SCHEDULE AT NOW() on completion preserve disable DO DO 1`,
    ),
    "CREATE s e 1 DISABLED  ",
  );
  assert.equal(read("/*!50106 ALTER EVENT e DISABLE ON SLAVE */"), "ALTER  e REPLICA_SIDE_DISABLED  ");
  assert.equal(read(`ALTER EVENT s."e" RENAME TO t.f COMMENT 'do DISABLE it' ENABLE`), "ALTER s e ENABLED t f");
  assert.equal(read('ALTER /* ENABLE */ EVENT e -- ENABLE\n COMMENT "it\'s" # ENABLE'), "ALTER  e   ");
  assert.equal(read("ALTER EVENT enable RENAME TO disable"), "ALTER  enable   disable");
  assert.equal(read("DROP EVENT IF EXISTS s.e"), "DROP s e   ");
  for (const other of [
    "CREATE TABLE event (id INT)",
    "ALTER TABLE t COMMENT 'an event'",
    "DROP TABLE event",
    "BEGIN",
  ]) {
    assert.equal(parseEventStatement(other), undefined, other);
  }
});

test("events end as the last statement that tells has them; without one, as they were under their first name", () => {
  const statements = new EventStatements();
  const schedule = "ON SCHEDULE EVERY 1 DAY";
  for (const text of [
    `CREATE EVENT made ${schedule} DO DO 1`,
    `CREATE EVENT off ${schedule} DISABLE DO DO 1`,
    "ALTER EVENT OFF COMMENT 'still'",
    "ALTER EVENT old COMMENT 'as before'",
    "ALTER EVENT old RENAME TO new",
    `CREATE EVENT old ${schedule} DISABLE DO DO 1`,
    "ALTER EVENT other.gone ENABLE",
    "DROP EVENT other.gone",
    "ALTER EVENT moved DISABLE",
    "ALTER EVENT moved RENAME TO other.moved",
  ]) {
    statements.add("s", text);
  }
  const told = statements.changed().map(({ schema, name, status, was }) => [schema, name, status ?? was]);
  assert.deepEqual(told, [
    ["s", "made", "ENABLED"],
    ["s", "OFF", "DISABLED"],
    ["s", "new", { schema: "s", name: "old" }],
    ["s", "old", "DISABLED"],
    ["other", "moved", "DISABLED"],
  ]);
});

test("the statement and its schema are read from a query event that comes in parts", () => {
  const fixed = Buffer.alloc(13);
  fixed.writeUInt8("shöp".length + 1, 8);
  fixed.writeUInt16LE(7, 11);
  const statement = `CREATE EVENT ä ON SCHEDULE EVERY 1 DAY DO SELECT '${"x".repeat(100_000)}'`;
  const body = Buffer.concat([fixed, Buffer.alloc(7, 1), Buffer.from(`shöp\0${statement}`)]);
  const said: string[] = [];
  const reader = new StatementReader((schema, text) => said.push(schema, text.slice(0, 20)));
  for (let at = 0; at < body.length; at += 11) reader.take(body.subarray(at, at + 11));
  reader.end();
  assert.deepEqual(said, ["shöp", statement.slice(0, 20)]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectCommand, engineText, productText, startText } from "./engine-commands.ts";

const pg = {
  service_type: "pg",
  service_uri: "postgres://boss:secret@127.0.0.1:20000/defaultdb?sslmode=require",
  service_uri_params: {},
  metadata: { pg_version: "18", max_connections: 100 },
};
const mysql = {
  service_type: "mysql",
  service_uri: "mysql://boss:it%27s@127.0.0.1:20001/defaultdb?ssl-mode=REQUIRED",
  service_uri_params: {
    ...{ host: "127.0.0.1", port: "20001", user: "boss", password: "it's", dbname: "defaultdb" },
    "ssl-mode": "REQUIRED",
  },
  metadata: { mysql_version: "9.7", max_connections: 100 },
};

test("a service is connected to with the client of its engine, by a line that a shell takes", () => {
  assert.equal(connectCommand(pg), `psql '${pg.service_uri}'`);
  assert.equal(connectCommand(mysql), `mysql -h 127.0.0.1 -P 20001 -u boss -p'it'\\''s' --ssl-mode=REQUIRED defaultdb`);
  assert.equal(connectCommand({ ...mysql, service_uri: null }), undefined);
  assert.equal(engineText(pg), "pg 18");
  assert.equal(engineText(mysql), "mysql 9.7");
});

test("restored files are started with the server of their engine", () => {
  assert.match(startText("/srv/pg", { engine: "pg" }), /PostgreSQL runs as.*\n {2}pg_ctl -D \/srv\/pg start$/);
  assert.match(startText("/srv/pg", {}), /pg_ctl/);
  const mysqlText = startText("/srv/my sql", { engine: "mysql" });
  assert.match(mysqlText, /MySQL runs as .*\n {2}mysqld --defaults-file='\/srv\/my sql\/btar-restore\.cnf'$/);
  assert.equal(productText({ engine: "mysql", version: "9.7.4" }), "MySQL 9.7.4");
  assert.equal(productText({ version: "18.4" }), "PostgreSQL 18.4");
  assert.equal(productText({}), undefined);
});

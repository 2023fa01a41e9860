import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { parseServiceUri } from "./service-uri.ts";

test("a database's URI gives address, account and TLS mode", () => {
  assert.deepEqual(parseServiceUri("postgres://btar:p%40ss@db.example.com/shop?sslmode=require"), {
    engine: "pg",
    host: "db.example.com",
    port: 5432,
    user: "btar",
    password: "p@ss",
    database: "shop",
    tlsMode: "require",
  });
});

test("a MySQL URI says with MySQL's words how TLS is used", () => {
  const uri = "mysql://btar:p%40ss@db.example.com/shop?ssl-mode=";
  assert.deepEqual(parseServiceUri(`${uri}REQUIRED`), {
    engine: "mysql",
    host: "db.example.com",
    port: 3306,
    user: "btar",
    password: "p@ss",
    database: "shop",
    tlsMode: "require",
  });
  assert.equal(parseServiceUri(`${uri}DISABLED`).tlsMode, "disable");
  assert.equal(parseServiceUri(`${uri}verify_ca`).tlsMode, "verify-ca");
  assert.equal(parseServiceUri(`${uri}VERIFY_IDENTITY`).tlsMode, "verify-full");
  assert.equal(parseServiceUri("mysql://u@h:3307").database, "");
});

test("the certificate is verified unless the URI says otherwise or the database is on this host", () => {
  assert.equal(parseServiceUri("postgresql://u@db.example.com:6432").tlsMode, "verify-full");
  assert.equal(parseServiceUri("postgres://u@127.0.0.1").tlsMode, "disable");
  assert.equal(parseServiceUri("postgres://u@[::1]:5433/x").host, "::1");
  assert.equal(parseServiceUri("mysql://u@db.example.com").tlsMode, "verify-full");
  assert.equal(parseServiceUri("mysql://u@localhost/shop").tlsMode, "disable");
});

test("a URI that cannot be used is refused without showing its password", async () => {
  const bad = [
    "shop",
    "redis://u:secret@h/d",
    "postgres://h/d",
    "postgres://u:secret@h/d?sslmode=maybe",
    "postgres://u:secret@h/d?options=-c",
    "postgres://u:secret%zz@h/d",
    "mysql://u:secret@h/d?ssl-mode=PREFERRED",
    "mysql://u:secret@h/d?ssl-mode=constructor",
    "mysql://u:secret@h/d?sslmode=require",
  ];
  for (const uri of bad) {
    const error = await rejectsWith("INVALID_SERVICE_URI", () => parseServiceUri(uri));
    assert.doesNotMatch(`${error.message} ${error.hint}`, /secret/);
  }
});

test("X1: a refused URI is told what the engine's looks like, or those of all engines", async () => {
  const hintOf = async (uri: string) => (await rejectsWith("INVALID_SERVICE_URI", () => parseServiceUri(uri))).hint;
  assert.match(
    String(await hintOf("redis://u@h/d")),
    /postgres:\/\/.*sslmode=verify-full or mysql:\/\/.*VERIFY_IDENTITY/,
  );
  assert.match(String(await hintOf("mysql://h/d")), /^give mysql:\/\/USER:PASSWORD@HOST:PORT\/DATABASE/);
});

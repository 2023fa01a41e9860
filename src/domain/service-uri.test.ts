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

test("the certificate is verified unless the URI says otherwise or the database is on this host", () => {
  assert.equal(parseServiceUri("postgresql://u@db.example.com:6432").tlsMode, "verify-full");
  assert.equal(parseServiceUri("postgres://u@127.0.0.1").tlsMode, "disable");
  assert.equal(parseServiceUri("postgres://u@[::1]:5433/x").host, "::1");
});

test("a URI that cannot be used is refused without showing its password", async () => {
  const bad = [
    "shop",
    "mysql://u:secret@h/d",
    "postgres://h/d",
    "postgres://u:secret@h/d?sslmode=maybe",
    "postgres://u:secret@h/d?options=-c",
    "postgres://u:secret%zz@h/d",
  ];
  for (const uri of bad) {
    const error = await rejectsWith("INVALID_SERVICE_URI", () => parseServiceUri(uri));
    assert.doesNotMatch(`${error.message} ${error.hint}`, /secret/);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { collectPairs, count, seconds, userConfig } from "./setting-options.ts";

test("settings are JSON where they read as such, and texts otherwise", () => {
  const config = ["work_mem=16", 'ip_filter=["10.0.0.0/8"]', "admin_username=42", "backup_hour=null", "note=a=b"];
  assert.deepEqual(userConfig({ config }), {
    work_mem: 16,
    ip_filter: ["10.0.0.0/8"],
    admin_username: "42",
    backup_hour: null,
    note: "a=b",
  });
});

test("a version stays a text, and dots reach into an object", () => {
  assert.deepEqual(userConfig({ config: ["pg_version=17", "pg.jit=false", "pg.timezone=Europe/Berlin"] }), {
    pg_version: "17",
    pg: { jit: false, timezone: "Europe/Berlin" },
  });
});

test("E1: additional clouds are named, or turned off", () => {
  assert.deepEqual(userConfig({ additionalBackupRegion: ["a-b", "a-c"] }), {
    additional_backup_regions: ["a-b", "a-c"],
  });
  assert.deepEqual(userConfig({ additionalBackupRegion: false }), { additional_backup_regions: [] });
  // What commander gives where --no-additional-backup-region exists and neither was said.
  assert.equal(userConfig({ additionalBackupRegion: true }), undefined);
});

test("options of another form are refused", () => {
  for (const text of ["work_mem", "=5", ""]) assert.throws(() => collectPairs(text, undefined), InvalidArgumentError);
  assert.deepEqual(collectPairs("a=", ["b=1"]), ["b=1", "a="]);
  for (const text of ["0", "-1", "soon", "", "NaN", "1e9"]) assert.throws(() => seconds(text), InvalidArgumentError);
  assert.equal(seconds("1.5"), 1.5);
  for (const text of ["0", "1.5", "-3", "all"]) assert.throws(() => count(text), InvalidArgumentError);
  assert.equal(count("20"), 20);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { backupForGtid, type GtidBackup } from "./backup-for-gtid.ts";
import { parseGtid } from "./gtid.ts";
import { GtidSet } from "./gtid-set.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const other = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

function holding(backupId: string, atLeast: string, atMost = atLeast): GtidBackup {
  return { backupId, gtids: { atLeast: GtidSet.parse(atLeast), atMost: GtidSet.parse(atMost) } };
}

function chosen(backups: readonly GtidBackup[], gtid: string): string | undefined {
  return backupForGtid(backups, parseGtid(gtid))?.backupId;
}

test("F4: the newest base backup is taken that does not hold the transaction yet", () => {
  const backups = [
    holding("third", `${uuid}:1-90`, `${uuid}:1-95`),
    holding("second", `${uuid}:1-50`, `${uuid}:1-60`),
    holding("first", `${uuid}:1-10`),
  ];
  assert.equal(chosen(backups, `${uuid}:96`), "third");
  assert.equal(chosen(backups, `${uuid}:93`), "second", "the third may hold it");
  assert.equal(chosen(backups, `${uuid}:61`), "second");
  assert.equal(chosen(backups, `${uuid}:55`), "first");
  assert.equal(chosen(backups, `${uuid}:app:1`), "third", "the first of its tag");
  assert.equal(chosen(backups, `${uuid}:10`), "first", "it may be the last one that it holds");
  assert.equal(chosen(backups, `${uuid}:9`), undefined);
  assert.equal(chosen([], `${uuid}:9`), undefined);
});

test("a base backup of another database is not taken for one that does not hold the transaction yet", () => {
  const backups = [holding("replaced", `${other}:1-5`), holding("before", `${uuid}:1-10`)];
  assert.equal(chosen(backups, `${uuid}:12`), "before");
  assert.equal(chosen(backups, `${other}:6`), "replaced");
  const unknown: GtidBackup = { backupId: "unknown", gtids: undefined };
  assert.equal(chosen([unknown, holding("older", `${uuid}:1-10`)], `${uuid}:5`), "unknown");
});

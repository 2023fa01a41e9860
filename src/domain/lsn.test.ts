import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { formatLsn, lsnFromSortable, lsnToSortable, parseLsn, walSegmentName, walSegmentStart } from "./lsn.ts";

const mib16 = 16 * 1024 * 1024;

test("LSNs are read and written as PostgreSQL does", () => {
  assert.equal(parseLsn("16/B374D848"), 0x16b374d848n);
  assert.equal(formatLsn(0x16b374d848n), "16/B374D848");
  assert.equal(lsnToSortable(0x16b374d848n), "00000016B374D848");
  assert.equal(lsnFromSortable("00000016B374D848"), 0x16b374d848n);
});

test("what is no LSN is refused", async () => {
  for (const text of ["", "16", "16/", "G/1", "16/123456789", "16/1 "]) {
    await rejectsWith("INVALID_LSN", () => parseLsn(text));
  }
  await rejectsWith("INVALID_LSN", () => lsnFromSortable("16/B374D848"));
});

test("WAL segments are named as pg_walfile_name does", () => {
  assert.equal(walSegmentName(1, parseLsn("0/3000028"), mib16), "000000010000000000000003");
  assert.equal(walSegmentName(2, parseLsn("1/FF000000"), mib16), "0000000200000001000000FF");
  assert.equal(walSegmentName(1, parseLsn("2/0"), mib16), "000000010000000200000000");
  assert.equal(walSegmentName(1, parseLsn("1/C0000000"), 1024 * 1024 * 1024), "000000010000000100000003");
  assert.equal(walSegmentStart(parseLsn("0/3000028"), mib16), parseLsn("0/3000000"));
});

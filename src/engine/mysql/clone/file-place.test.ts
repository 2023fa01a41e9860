import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { filePlace, redoPath } from "./file-place.ts";

const place = (name: string, isShared = false) => filePlace(Buffer.from(name), { isShared });

test("files of the data directory keep their paths", () => {
  assert.deepEqual(place("./shop/@0024t.ibd"), { path: "shop/@0024t.ibd", external: undefined });
  assert.equal(place("ibdata1").path, "ibdata1");
  assert.equal(place("./tablespace ü.ibd", true).path, "tablespace ü.ibd");
  const restored = "#btar-external/0123456789ab/shop/t.ibd";
  assert.deepEqual(place(`./${restored}`), { path: restored, external: undefined });
});

test("files elsewhere lie below a directory that stands for their location, the same for all of it", () => {
  const table = place("/srv/fast/shop/t.ibd");
  assert.match(table.path, /^#btar-external\/[0-9a-f]{12}\/shop\/t\.ibd$/);
  assert.equal(table.external?.location, "/srv/fast");
  assert.equal(table.path, `${table.external?.path}/shop/t.ibd`);
  const general = place("/srv/fast/orders.ibd", true);
  assert.deepEqual(general.external, table.external);
  assert.equal(general.path, `${table.external?.path}/orders.ibd`);
  assert.equal(place("/orders.ibd", true).external?.location, "/");
});

test("names that lead out, or into places of btar's own, are refused", async () => {
  for (const name of ["../t.ibd", "./shop/../../t.ibd", "/srv/../etc/t.ibd", "shop//t.ibd", "", "./", "/", "."]) {
    await rejectsWith("UNSAFE_PATH", () => place(name));
  }
  for (const name of ["x/t.ibd", "0123456789ab/t.ibd", "t.ibd"]) {
    await rejectsWith("UNSAFE_PATH", () => place(`./#btar-external/${name}`));
  }
  await rejectsWith("UNSAFE_PATH", () => filePlace(Buffer.from([0x61, 0xff]), { isShared: false }));
});

test("redo files are named as the donor's version names them", () => {
  assert.equal(redoPath(0, 90_704), "#innodb_redo/#ib_redo0");
  assert.equal(redoPath(1, 80_029), "ib_logfile1");
});

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../../../test/support/temporary-directory.ts";
import { moveOut, moveUpGeneralTablespaces, placeOf } from "./external-files.ts";

const location = "#btar-external/0123456789ab";

async function write(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = path.join(directory, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, name);
  }
}

test("what lay outside of a data directory is moved out of it, which can be repeated", async (context) => {
  const root = await temporaryDirectory(context);
  const [data, external] = [path.join(root, "data"), path.join(root, "external")];
  await write(data, ["mysql.ibd"]);
  assert.deepEqual(await moveOut(data, external), new Map());
  await write(data, [`${location}/shop/t.ibd`]);
  await write(external, ["left by an earlier attempt"]);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const places = await moveOut(data, external);
    const place = placeOf(data, `${location}/shop/t.ibd`, places);
    assert.equal(place, path.join(external, "0123456789ab/shop/t.ibd"));
    assert.equal(await readFile(place, "utf8"), `${location}/shop/t.ibd`);
    assert.equal(placeOf(data, "mysql.ibd", places), path.join(data, "mysql.ibd"));
  }
});

test("general tablespaces go where MySQL takes them, and over no other file", async (context) => {
  const data = await temporaryDirectory(context);
  const files = ["far.ibd", `${location}/far.ibd`, `${location}/other.ibd`, `${location}/shop/t.ibd`];
  await write(data, files);
  await moveUpGeneralTablespaces(data, [location, "#btar-external/ba9876543210"]);
  const found = ["far.ibd", "0123456789ab-far.ibd", "other.ibd", `${location}/shop/t.ibd`];
  assert.deepEqual(await Promise.all(found.map((name) => readFile(path.join(data, name), "utf8"))), files);
});

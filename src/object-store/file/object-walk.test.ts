import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { compareKeys } from "../key.ts";
import { isWanted, walkObjects } from "./object-walk.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "btar-walk-"));
});
after(() => rm(directory, { recursive: true }));

async function keysOf(root: string, asked: { prefix?: string; after?: string; namesAtATime?: number }) {
  const walk = {
    directory: root,
    prefix: "",
    after: "",
    namesAtATime: 1000,
    onMissing: async () => undefined,
    ...asked,
  };
  const keys: string[] = [];
  for await (const { key } of walkObjects(walk)) keys.push(key);
  return keys;
}

test("a folder larger than what is held in memory is listed whole and in order", async () => {
  const root = path.join(directory, "wide");
  await mkdir(root);
  const names = Array.from({ length: 103 }, (_, index) => `object-${(index * 37) % 103}`);
  for (const name of names) await writeFile(path.join(root, name), "");
  for (const name of ["object-2", "object-5"]) {
    await mkdir(path.join(root, `${name}.d`));
    await writeFile(path.join(root, `${name}.d`, "inner"), "");
  }
  const all = [...names, "object-2.d/inner", "object-5.d/inner"].sort(compareKeys);
  for (const namesAtATime of [1, 7, 103, 1000]) assert.deepEqual(await keysOf(root, { namesAtATime }), all);
  const after = all[50] ?? "";
  assert.deepEqual(await keysOf(root, { namesAtATime: 7, after }), all.slice(51));
});

test("links and names that are no keys are not listed", async () => {
  const root = path.join(directory, "odd");
  await mkdir(root);
  await writeFile(path.join(root, "object"), "");
  await writeFile(path.join(root, "no key"), "");
  await symlink("object", path.join(root, "link"));
  await symlink("/", path.join(root, "outside"));
  assert.deepEqual(await keysOf(root, {}), ["object"]);
});

test("folders are passed by unread when all of their keys come before the one to start after", () => {
  const walk = { prefix: "", after: "log/b/5" };
  assert.ok(!isWanted("base/", walk));
  assert.ok(!isWanted("log/a/", walk));
  assert.ok(!isWanted("log/b/4/", walk));
  assert.ok(!isWanted("log/b/5", walk));
  assert.ok(isWanted("log/b/5/", walk));
  assert.ok(isWanted("log/", walk));
  assert.ok(isWanted("pack/", walk));
});

test("a folder is read when a key in it could be wanted, and only then", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "-", ".", "/"), maxLength: 5 });
  fc.assert(
    fc.property(text, text, text, text, (folder, rest, prefix, start) => {
      const walk = { prefix, after: start };
      const key = `${folder}/${rest}x`;
      if (isWanted(key, walk)) assert.ok(isWanted(`${folder}/`, walk));
    }),
  );
});

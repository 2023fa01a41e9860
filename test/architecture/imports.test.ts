import assert from "node:assert/strict";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { runOxlint } from "../support/oxlint.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const root = path.dirname(path.dirname(import.meta.dirname));

/** The map of CONTRIBUTING: a folder may import from rows below its own, and never from its own row. */
const rows: readonly (readonly string[])[] = [
  ["main"],
  ["control-plane", "region-agent", "cli"],
  ["engine", "copier", "catalog"],
  ["repository"],
  ["object-store"],
  ["contract"],
  ["domain", "platform"],
];

/** What is forbidden although it points downwards, with the rule behind it. */
const forbiddenDownwards = new Set([
  "engine -> repository", // an engine yields streams; the region agent joins it with a repository
  "engine -> object-store",
  "catalog -> repository", // tables, not bytes
  "catalog -> object-store",
  "object-store -> contract", // a store does not know what its bytes mean
  ...["engine", "copier", "catalog", "repository", "object-store"].map((folder) => `cli -> ${folder}`), // the API only
]);

function isAllowed(from: string, to: string): boolean {
  const [fromRow, toRow] = [from, to].map((folder) => rows.findIndex((row) => row.includes(folder)));
  if (fromRow === undefined || toRow === undefined || forbiddenDownwards.has(`${from} -> ${to}`)) return false;
  const areBothLowest = fromRow === toRow && toRow === rows.length - 1;
  return toRow > fromRow || areBothLowest;
}

const folders = rows.flat();
const pairs = folders.flatMap((from) => folders.filter((to) => to !== from).map((to) => ({ from, to })));

/** Files of a small tree under the project's own lint configuration. */
async function lintTree(directory: string, files: Readonly<Record<string, string>>) {
  await copyFile(path.join(root, ".oxlintrc.json"), path.join(directory, ".oxlintrc.json"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), content);
  }
  return await runOxlint(directory);
}

test("an import that points upwards or sideways is reported with its reason, all others are let through", async (context) => {
  const files = pairs.map(({ from, to }) => [
    [`src/${from}/uses-${to}.ts`, `export { x } from "../${to}/x.ts";\n`] as const,
    [`src/${from}/deep/er/uses-${to}.ts`, `export { x } from "../../../${to}/deep/x.ts";\n`] as const,
  ]);
  const problems = await lintTree(await temporaryDirectory(context), Object.fromEntries(files.flat()));
  for (const { from, to } of pairs) {
    for (const file of [`src/${from}/uses-${to}.ts`, `src/${from}/deep/er/uses-${to}.ts`]) {
      const found = problems.filter((problem) => problem.file === file);
      assert.equal(found.length, isAllowed(from, to) ? 0 : 1, `${file}: ${JSON.stringify(found)}`);
      for (const { rule, message } of found) {
        assert.match(rule, /no-restricted-imports/);
        assert.match(message, /^[A-Z].*\.$/s, "the reason is a sentence");
      }
    }
  }
});

test("the domain imports no package and nothing of Node, its tests do", async (context) => {
  const problems = await lintTree(await temporaryDirectory(context), {
    "src/domain/reads-a-file.ts": 'export { readFile } from "node:fs/promises";\n',
    "src/domain/uses-a-package.ts": 'export { parse } from "yaml";\n',
    "src/domain/rule.test.ts": 'export { test } from "node:test";\nexport { x } from "./rule.ts";\n',
  });
  assert.deepEqual(problems.map(({ file }) => file).sort(), [
    "src/domain/reads-a-file.ts",
    "src/domain/uses-a-package.ts",
  ]);
});

test("the environment is read in src/main only", async (context) => {
  const reading = 'export const url = process.env["BTAR_URL"];\n';
  const problems = await lintTree(await temporaryDirectory(context), {
    "src/main/reads.ts": reading,
    "src/cli/reads.ts": reading,
    "src/engine/reads.ts": reading,
    "test/reads.ts": reading,
  });
  assert.deepEqual(problems.map(({ file, rule }) => `${file} ${rule}`).sort(), [
    "src/cli/reads.ts node(no-process-env)",
    "src/engine/reads.ts node(no-process-env)",
  ]);
});

test("the console imports contract and domain, and nothing else of btar or of Node", async (context) => {
  const allowed = new Set(["contract", "domain"]);
  const problems = await lintTree(await temporaryDirectory(context), {
    ...Object.fromEntries(
      folders.map((to) => [`console/src/pages/uses-${to}.tsx`, `export { x } from "../../../src/${to}/x.ts";\n`]),
    ),
    "console/src/uses-node.ts": 'export { readFile } from "node:fs/promises";\n',
    "console/src/leans.ts": 'export { x } from "../../test/x.ts";\n',
  });
  assert.deepEqual(
    problems.map(({ file }) => file).sort(),
    [
      "console/src/leans.ts",
      ...folders.filter((to) => !allowed.has(to)).map((to) => `console/src/pages/uses-${to}.tsx`),
      "console/src/uses-node.ts",
    ].sort(),
  );
});

test("what is shipped does not lean on demo, benchmarks, scripts or tests' own programs", async (context) => {
  const problems = await lintTree(await temporaryDirectory(context), {
    "src/main/leans.ts": 'export { x } from "../../demo/x.ts";\n',
    "src/platform/leans.ts": 'export { x } from "../../scripts/x.ts";\n',
  });
  assert.equal(problems.length, 2, JSON.stringify(problems));
});

test("the tree itself holds to all of it", async () => {
  assert.deepEqual(await runOxlint(root), []);
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { btar, systemNode } from "../support/btar-process.ts";
import { Installation } from "../support/installation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const root = dirname(dirname(import.meta.dirname));

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${program} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

/** What is packed, of a copy: others read this checkout meanwhile. */
async function packedFrom(directory: string): Promise<string> {
  const copy = join(directory, "checkout");
  await mkdir(copy);
  for (const name of readdirSync(root)) {
    if ([".git", ".cache", "dist", "node_modules"].includes(name)) continue;
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const [packed] = JSON.parse(run("npm", ["pack", "--json"], copy)) as readonly { readonly filename: string }[];
  return join(copy, packed?.filename ?? "");
}

test("the package installs globally, and runs without TypeScript or what only developers need", async (context) => {
  const directory = await temporaryDirectory(context);
  const packed = await packedFrom(directory);
  const prefix = join(directory, "prefix");
  const options = ["--prefix", prefix, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["install", "-g", ...options, packed], directory);
  const installed = join(prefix, "lib", "node_modules", "btar");
  assert.deepEqual(globSync("{src,test,bench}/**", { cwd: installed }), []);
  assert.deepEqual(globSync("node_modules/{typescript,oxlint,fast-check,@biomejs}", { cwd: installed }), []);

  // As on a machine whose own Node is any: it goes on under the one that came with it.
  const launcher = join(prefix, "bin", "btar");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  const told = await btar(["--version"], { directory, launcher, node: systemNode() });
  assert.deepEqual([told.code, told.stdout], [0, `${version}\n`], told.stderr);

  const place = await Installation.make();
  context.after(async () => await place.remove());
  const ask = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await btar(args, { directory: place.directory, launcher, node: systemNode() });
    assert.equal(code, 0, `btar ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const up = await place.up({ launcher, node: systemNode() });
  await ask("service", "create", "shop", "--cloud", "local-north", "--wait");
  await ask("backup", "create", "shop", "--wait");
  assert.match(await ask("backup", "list", "shop"), /complete/);
  await ask("fork", "shop", "shop-2", "--cloud", "local-north", "--wait");
  up.signal("SIGINT");
  assert.equal(await up.ended(), 0, up.output);
});

test("the units for systemd are taken by systemd", () => {
  const units = globSync("systemd/*.service", { cwd: root });
  assert.equal(units.length, 3);
  const tree = join(root, ".cache", "servers", "systemd");
  run(join(root, "scripts", "servers", "debian-tree.sh"), [tree, "systemd"], root);
  const analyze = [tree, "usr/bin/systemd-analyze", "verify", ...units];
  run(join(root, "scripts", "servers", "run-in-tree.sh"), analyze, root);
});

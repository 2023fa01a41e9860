import path from "node:path";
import pg from "pg";
import { BtarError } from "../../../domain/errors.ts";
import { runProgram } from "../../../platform/process.ts";
import type { ServerInstallation, ServerSpec } from "../../server.ts";
import type { ServerDirectory } from "./directory.ts";
import { isLeftover, leftoversRemain, removeForeignPidFile } from "./postmaster.ts";
import type { RunAs } from "../../run-as.ts";
import { scramVerifier } from "./scram.ts";

const { escapeIdentifier, escapeLiteral } = pg;

/** It may have to replay the log of a server that was killed. */
const singleUserLimitMs = 3_600_000;

export interface AccountReset {
  readonly directory: ServerDirectory;
  readonly installation: ServerInstallation;
  readonly runAs: RunAs | undefined;
  readonly spec: ServerSpec;
  readonly maintenanceDatabase: string;
  readonly signal: AbortSignal;
}

/**
 * Makes a recovered, stopped server one that btar can manage: the internal account is its only superuser, has its own
 * password and a database to connect to. Neither the superusers of the source nor their passwords are known, so that
 * it is done in PostgreSQL's single-user mode, which asks for none.
 * @throws {BtarError} RECOVERY_FAILED, COMMAND_FAILED, CANCELLED
 */
export async function resetInternalAccount(request: AccountReset): Promise<void> {
  const { directory, installation, runAs, signal } = request;
  await removeForeignPidFile(directory);
  const program = path.join(installation.basedir, "bin", "postgres");
  // template1 is where new databases come from, so it is always there.
  const { stderr } = await runProgram(program, ["--single", "-D", directory.data, "template1"], {
    timeoutMs: singleUserLimitMs,
    input: statements(request).join("\n").concat("\n"), // a statement ends with its line
    user: runAs,
    signal,
  }).catch((error: unknown) => {
    throw isLeftover(String(error)) ? leftoversRemain(directory, error) : error;
  });
  // A fork's source may have the account and the database; no other error is one to go on with.
  const errors = stderr.split("\n").filter((line) => / (?:ERROR|FATAL|PANIC): {2}/.test(line));
  const error = errors.find((line) => !/(?:role|database) ".*" already exists/.test(line));
  if (error === undefined) return;
  throw new BtarError("RECOVERY_FAILED", {
    message: `the accounts of the server in ${directory.root} cannot be set up: ${error}`,
    hint: "its source may have been changed by hand; look at its roles",
  });
}

function statements(request: AccountReset): readonly string[] {
  const { internal } = request.spec.accounts;
  const role = escapeIdentifier(internal.name);
  const isOther = `rolname <> ${escapeLiteral(internal.name)}`;
  const rights = "superuser createdb createrole replication bypassrls login connection limit -1 valid until 'infinity'";
  return [
    `create role ${role}`,
    `alter role ${role} ${rights} password ${escapeLiteral(scramVerifier(internal.password))}`,
    `alter role ${role} reset all`,
    // The role that initdb made, whose OID is 10, must stay a superuser: it cannot log in any more.
    `update pg_authid set rolcanlogin = false, rolpassword = null where oid = 10 and ${isOther}`,
    "update pg_authid set rolsuper = false, rolreplication = false, rolbypassrls = false " +
      `where rolsuper and oid <> 10 and ${isOther}`,
    // A fork that went on with its source's subscriptions would take the changes that are meant for the source.
    "update pg_subscription set subenabled = false where subenabled",
    `create database ${escapeIdentifier(request.maintenanceDatabase)} template template0`,
  ];
}

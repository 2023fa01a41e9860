import type { Command } from "commander";
import { addAttachCommands } from "./attach-commands.ts";
import { addAuditCommands } from "./audit-commands.ts";
import { addBackupCommands } from "./backup-commands.ts";
import { addCatalogueCommands } from "./catalogue-commands.ts";
import type { FindAccess } from "./command-context.ts";
import { addEstimateCommand } from "./estimate-commands.ts";
import { addJobCommands } from "./job-commands.ts";
import { addLocationCommands } from "./location-commands.ts";
import { addLoginCommands, type LoginMachine } from "./login-commands.ts";
import { addMemberCommands } from "./member-commands.ts";
import { addNotificationCommands } from "./notification-commands.ts";
import { addOverviewCommands } from "./overview-commands.ts";
import { addOwnAccountCommands } from "./own-account-commands.ts";
import { addProjectCommands } from "./project-commands.ts";
import { addRebuildCommand } from "./rebuild-commands.ts";
import { addRecoveryCommands } from "./recovery-commands.ts";
import { addServerCommands } from "./server-commands.ts";
import { addServiceAccountCommands } from "./service-account-commands.ts";
import { addServiceCommands } from "./service-commands.ts";
import { addTagCommands } from "./tag-commands.ts";
import { addTokenCommands } from "./token-commands.ts";
import { addUserCommands } from "./user-commands.ts";
import { addVerifyCommand } from "./verify-commands.ts";

/** What client commands need of the machine that they run on. */
export interface ClientMachine extends LoginMachine {
  readonly findAccess: FindAccess;
  readonly readFile: (path: string) => Promise<string>;
  /** Makes a path absolute, from where the command was started. */
  readonly resolvePath: (path: string) => string;
}

/** Adds all commands that talk to the API. */
export function addClientCommands(program: Command, machine: ClientMachine): void {
  const { findAccess, readFile, resolvePath } = machine;
  const service = program
    .command("service")
    .description("services: databases that btar backs up, and those it also runs");
  addServiceCommands(service, findAccess);
  addServerCommands(service, findAccess);
  addAttachCommands(service, findAccess, readFile);
  addServiceAccountCommands(service, findAccess, readFile);
  addCatalogueCommands(service, findAccess);
  addBackupCommands(program.command("backup").description("base backups, and where they are"), findAccess);
  addLocationCommands(program.command("location").description("clouds that hold a service's backups"), findAccess);
  addRecoveryCommands(program, findAccess, resolvePath);
  addOverviewCommands(program, findAccess);
  addEstimateCommand(program, findAccess);
  addVerifyCommand(program, findAccess);
  addRebuildCommand(program, findAccess);
  addJobCommands(program.command("jobs").description("long work: what goes on, and how far it is"), findAccess);
  addLoginCommands(program, findAccess, machine);
  addOwnAccountCommands(program, findAccess, machine.askPassword);
  addUserCommands(program.command("user").description("users of the API"), findAccess, machine.readPassword);
  addTokenCommands(program.command("token").description("tokens of programs that use the API"), findAccess);
  addMemberCommands(program.command("member").description("who may do what in the project"), findAccess);
  const notification = program.command("notification").description("who is told of events, by webhook or e-mail");
  addNotificationCommands(notification, findAccess, readFile);
  addAuditCommands(program.command("audit").description("who did what, from where, and what came of it"), findAccess);
  addTagCommands(program.command("tag").description("tags of a project or a service"), findAccess);
  addProjectCommands(program.command("project").description("projects: services that belong together"), findAccess);
}

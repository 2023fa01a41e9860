/**
 * Takes a base backup by a local recipient, and stores nothing: a process to be killed.
 * Arguments: the address as JSON, and the recipient's directory.
 */
import type { ServerAddress } from "../../src/engine/engine.ts";
import { takeBaseBackup } from "../../src/engine/mysql/base-backup.ts";
import { neverAborted } from "./backup-fixture.ts";
import { localRecipient } from "./local-recipient.ts";

const [address = "", workDirectory = ""] = process.argv.slice(2);
const nothing = () => undefined;
const done = () => Promise.resolve();
await takeBaseBackup(
  JSON.parse(address) as ServerAddress,
  {
    directory: nothing,
    beginFile: nothing,
    write: nothing,
    endFile: nothing,
    drained: nothing,
    openFile: () => ({ write: done, finish: done }),
    settle: done,
  },
  { label: "killed", signal: neverAborted },
  { clone: "local", recipient: await localRecipient(workDirectory) },
);

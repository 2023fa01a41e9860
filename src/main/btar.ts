import { CommanderError } from "commander";
import { exitCodeOf, exitCodes } from "../cli/exit-codes.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import { isErrno } from "../platform/errno.ts";
import { buildProgram } from "./program.ts";

const neededMajor = 24;

/** The one executable: servers and client commands. */
async function main(args: readonly string[]): Promise<void> {
  if (Number(process.versions.node.split(".")[0]) < neededMajor) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `btar needs Node ${neededMajor} or newer, this is ${process.version}`,
      hint: "start it with npx btar, which finds btar's own",
    });
  }
  await buildProgram().parseAsync([...args], { from: "user" });
}

function exitCodeOfFailure(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.wrongUsage;
  if (!(error instanceof BtarError)) return exitCodes.failed;
  return error.details["isInterrupted"] === true ? exitCodes.interrupted : exitCodeOf(error);
}

/** Whoever read the output is gone, as with `| head`: a client command has nothing left to do, a server goes on. */
function outliveReaders(args: readonly string[]): void {
  const isServer = ["up", "server", "agent"].includes(args[0] ?? "");
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!isErrno(error, "EPIPE")) throw error;
      if (!isServer) process.exit(exitCodes.ok);
    });
  }
}

try {
  outliveReaders(process.argv.slice(2));
  await main(process.argv.slice(2));
} catch (error) {
  const text = error instanceof CommanderError ? "" : `btar: ${describeError(error)}\n`;
  // What failed may have left timers or connections behind, which would keep this process.
  process.stderr.write(text, () => process.exit(exitCodeOfFailure(error)));
}

import { readFile, writeFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import { Output } from "../../cli/output.ts";
import { BtarError } from "../../domain/errors.ts";
import { isErrno } from "../../platform/errno.ts";

/** What all commands of the key take. */
interface KeyOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly passphrase?: boolean;
  readonly passphraseFile?: string;
  readonly output?: string;
  readonly remove?: boolean;
}

/** `btar key …`: they work on this machine, with the data directory, the catalog and the stores; the API is not asked. */
export function addKeyCommands(program: Command): void {
  const key = program.command("key").description("the master key, which opens all backups: keep a copy elsewhere");
  const define = (text: string, description: string, work: KeyWork): Command => {
    const command = key
      .command(text)
      .description(description)
      .option("--config <file>", "configuration file (BTAR_CONFIG, else ./btar.yaml)")
      .option("--json", "print an object for programs");
    return command.action(async () => {
      const options = command.opts<KeyOptions>();
      await work({ options, output: new Output({ isJson: options.json ?? false }), argument: command.args[0] });
    });
  };
  // Loaded when asked for: other commands start at once without them.
  define("check", "does the key open the catalog and each store, and when was it exported?", async (request) => {
    await (await import("./key-work.ts")).checkKey(request);
  }).addHelpText(
    "after",
    "\nIt exits with 1 when the key does not open something, and with 5 when a store does not answer.",
  );
  define("export", "print the key as text that a person can keep", async (request) => {
    const text = await (await import("./key-work.ts")).exportKey(request);
    const { output: file } = request.options;
    if (file === undefined) return;
    await writeNew(file, text);
    request.output.note(`written to ${file}`);
  })
    .option("--output <file>", "write it there, readable by its owner only, instead of printing it")
    .option("--passphrase", "protect it by a passphrase, which is asked for")
    .option("--passphrase-file <file>", "protect it by the passphrase in this file")
    .addHelpText(
      "after",
      "\nExamples:\n  btar key export --passphrase\n  btar key export --output /media/stick/btar.key",
    );
  define("import [file]", "put a key in place that was exported; standard input without a file", async (request) => {
    const text = request.argument === undefined ? await readAll(process.stdin) : await readGiven(request.argument);
    await (await import("./key-work.ts")).takeKey(request, text);
  })
    .option("--passphrase-file <file>", "file with the passphrase that the text is protected by; else it is asked for")
    .addHelpText(
      "after",
      "\nA key that does not open the catalog and the stores is refused. Example:\n  btar key import /media/stick/btar.key",
    );
  define(
    "protect",
    "protect the key's file by a passphrase, or by another one; btar then asks for it",
    async (request) => {
      await (await import("./key-work.ts")).protectKey(request);
    },
  )
    .option("--passphrase-file <file>", "take the new passphrase from this file; else it is asked for")
    .option("--remove", "protect it no more: the file then holds the key as it is")
    .addHelpText("after", "\nExample:\n  btar key protect");
  define("rotate", "give the installation another master key, while btar is stopped", async (request) => {
    await (await import("./key-work.ts")).rotate(request);
  }).addHelpText(
    "after",
    "\nStop btar first. Cut off in the middle, nothing is lost: say it again. It exits with 5 when a store has to be\n" +
      "caught up later. The data keys stay, so a thief of the earlier key and of what lay in a store keeps what he has read.",
  );
}

/** One command of the key, as it was given. */
export interface KeyRequest {
  readonly options: KeyOptions;
  readonly output: Output;
  /** The command's own. */
  readonly argument: string | undefined;
}

type KeyWork = (request: KeyRequest) => Promise<void>;

async function readGiven(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new BtarError("NOT_FOUND", {
      message: `there is no file ${file}`,
      hint: "name the one that holds the key",
      cause,
    });
  }
}

/** A file that is there is not written over: it may hold another key. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600, flag: "wx", flush: true });
  } catch (cause) {
    if (!isErrno(cause, "EEXIST")) throw cause;
    throw new BtarError("ALREADY_EXISTS", { message: `${file} is there already`, hint: "choose another name", cause });
  }
}

import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { BtarError } from "../domain/errors.ts";

/**
 * The password that a variable gives, else what is typed on the terminal, which does not show it.
 * @throws {BtarError} INVALID_INPUT where there is neither
 */
export async function readPassword(prompt: string, variable = "BTAR_PASSWORD"): Promise<string> {
  const given = process.env[variable];
  if (given !== undefined) return given;
  if (!process.stdin.isTTY) {
    throw new BtarError("INVALID_INPUT", {
      message: "nobody can be asked for a password here",
      hint: `set ${variable}`,
    });
  }
  return await askSecretly(prompt);
}

/** What is typed on the terminal, which does not show it. */
export async function askSecretly(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  // A terminal's echo is what readline writes: nowhere.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const typed = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await typed.question("");
  } finally {
    typed.close();
    process.stderr.write("\n");
  }
}

import { BtarError } from "../../domain/errors.ts";
import { readSecretFile } from "./secret-file.ts";
import { askSecretly } from "../read-password.ts";

const shortest = 12;

/**
 * The passphrase of the master key that the environment gives: `BTAR_KEY_PASSPHRASE_FILE` or `BTAR_KEY_PASSPHRASE`.
 * @returns undefined when it gives none
 * @throws {BtarError} KEY_UNAVAILABLE when the file is missing, or others can read it
 */
export async function givenPassphrase(): Promise<string | undefined> {
  const { BTAR_KEY_PASSPHRASE_FILE: file, BTAR_KEY_PASSPHRASE: text } = process.env;
  if (file === undefined || file === "") return text === "" ? undefined : text;
  return await passphraseIn(file);
}

/** @throws {BtarError} KEY_UNAVAILABLE */
export async function passphraseIn(file: string): Promise<string> {
  const text = await readSecretFile(file, "the passphrase of the master key");
  if (text !== undefined) return text.replace(/\r?\n$/, "");
  throw new BtarError("KEY_UNAVAILABLE", {
    message: `there is no passphrase in ${file}`,
    hint: "put it there, readable by its owner only",
  });
}

/** The one that the environment gives, else what is typed. @throws {BtarError} KEY_UNAVAILABLE where there is neither */
export async function findPassphrase(): Promise<string> {
  const given = await givenPassphrase();
  if (given !== undefined) return given;
  if (process.stdin.isTTY) return await askSecretly("Passphrase of the master key: ");
  throw new BtarError("KEY_UNAVAILABLE", {
    message: "the master key is protected by a passphrase, and nobody can be asked for it here",
    hint: "set BTAR_KEY_PASSPHRASE_FILE to a file that holds it, or BTAR_KEY_PASSPHRASE",
  });
}

/** A new one, from a file or typed twice. @throws {BtarError} INVALID_INPUT */
export async function newPassphrase(file: string | undefined): Promise<string> {
  if (file !== undefined) return checked(await passphraseIn(file));
  if (!process.stdin.isTTY) {
    throw new BtarError("INVALID_INPUT", {
      message: "nobody can be asked for a passphrase here",
      hint: "name a file that holds it with --passphrase-file",
    });
  }
  const typed = checked(await askSecretly("New passphrase: "));
  if ((await askSecretly("Once more: ")) === typed) return typed;
  throw new BtarError("INVALID_INPUT", { message: "the two passphrases differ", hint: "type the same one twice" });
}

/** @throws {BtarError} INVALID_INPUT */
export function checked(passphrase: string): string {
  if (passphrase.length >= shortest) return passphrase;
  throw new BtarError("INVALID_INPUT", {
    message: `the passphrase has ${passphrase.length} characters`,
    hint: `give at least ${shortest}: whoever has the key's text can guess as often as they like`,
  });
}

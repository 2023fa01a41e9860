import type { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { formatAddress } from "../server-error.ts";
import { isStreamingRefused, streamingRefused } from "./clone-error.ts";
import type { Answer } from "./clone-connection.ts";
import { innodbLocator, type LocatorEntry } from "./clone-message.ts";

/** What a donor tells of itself when a clone begins. */
export interface DonorParameters {
  /** Such as `version`, `innodb_page_size`, `character_set_server`. */
  readonly configs: Readonly<Record<string, string>>;
  /** Active plugins; those that are not built in have the name of a library. */
  readonly plugins: readonly { readonly name: string; readonly library: string | undefined }[];
}

/** A clone that was begun. */
export interface BegunClone {
  readonly parameters: DonorParameters;
  /** Names the clone from now on. */
  readonly locator: LocatorEntry;
}

/** A donor keeps a broken clone this long when it does not say how long. */
const defaultRestartMinutes = 5;

/**
 * Reads the answer to INIT.
 * @throws {BtarError} SERVER_REFUSED for a donor whose clones cannot be received by streaming
 */
export function readDonorParameters(
  answers: readonly Answer[],
  { address, malformed }: { readonly address: ServerAddress; readonly malformed: (what: string) => BtarError },
): BegunClone {
  const configs: Record<string, string> = {};
  const plugins: { readonly name: string; readonly library: string | undefined }[] = [];
  let locator: LocatorEntry | undefined;
  for (const answer of answers) {
    if (answer.kind === "config") configs[answer.key] = answer.value;
    else if (answer.kind === "plugin") plugins.push({ name: answer.name, library: answer.library });
    else if (answer.kind === "locators") locator = innodbLocator(answer.entries, malformed);
    else if (answer.kind !== "collation") throw malformed(`${answer.kind} in answer to the begin of a clone`);
  }
  if (!locator) throw malformed("a clone without a locator");
  // Paths would have other separators, and the bytes of compressed pages other places.
  const system = configs["version_compile_os"] ?? "";
  if (/^win/i.test(system)) throw streamingRefused(address, `it runs on ${system}`);
  return { parameters: { configs, plugins }, locator };
}

/** How long the donor keeps a clone whose connections broke, ms; 0: not at all. */
export function restartWindowMs({ configs }: DonorParameters): number {
  const minutes = Number(configs["clone_donor_timeout_after_network_failure"] ?? defaultRestartMinutes);
  return (Number.isFinite(minutes) ? minutes : defaultRestartMinutes) * 60_000;
}

/** What the donor says at the beginning that is not understood may be for another client of its own. */
export function asStreamingRefusal(address: ServerAddress, error: unknown): unknown {
  if (isStreamingRefused(error) || !isProtocolViolation(error)) return error;
  return streamingRefused(address, error.message.replace(`MySQL at ${formatAddress(address)}`, "it"), error);
}

function isProtocolViolation(error: unknown): error is BtarError {
  return error instanceof Error && "code" in error && error.code === "SERVER_PROTOCOL";
}

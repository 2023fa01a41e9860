import { BtarError } from "../../../domain/errors.ts";

/** What a MySQL of this host is, as far as choosing goes. */
interface Candidate {
  readonly version: string;
  readonly origin: string;
}

/** From here on, MySQL 8.0 takes clones of other releases of its series, too. */
const firstLenientPatch = 37;

/**
 * Whether a MySQL of version `recipient` takes clones of one of version `donor`: it must be of the same series, and
 * before 8.0.37 of the same release.
 * @see https://dev.mysql.com/doc/refman/8.4/en/clone-plugin-remote.html
 */
export function takesClonesOf(donor: string, recipient: string): boolean {
  if (donor === recipient) return true;
  const [one, other] = [donor, recipient].map((version) => version.split(".").map(Number));
  const [major, minor] = one ?? [];
  if (major !== other?.[0] || minor !== other?.[1]) return false;
  const isStrict = major === 8 && minor === 0;
  return !isStrict || [one, other].every((parts) => (parts?.[2] ?? 0) >= firstLenientPatch);
}

/**
 * The MySQL of this host that can receive a clone.
 * @param donor its version, such as `9.7.4`
 * @param reason why one is needed
 * @throws {BtarError} SERVER_BINARIES_MISSING
 */
export function fittingInstallation<T extends Candidate>(
  installations: readonly T[],
  { donor, reason }: { readonly donor: string; readonly reason: string },
): T {
  const installation = installations.find(({ version }) => takesClonesOf(donor, version));
  if (installation) return installation;
  const [series] = /^\d+\.\d+/.exec(donor) ?? [donor];
  const wanted = takesClonesOf(donor, `${series}.99`) ? series : donor;
  const present = installations.map(({ version, origin }) => `${version} (${origin})`).join(", ") || "none";
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `${reason}; a MySQL ${wanted} on this host could receive the server's clone, and there is none: it has ${present}`,
    hint: `install MySQL ${wanted} on the agent's host, and name its directory in engines.mysql.basedir`,
    details: { wanted, present: installations.map(({ version }) => version) },
  });
}

import type { BandwidthLimitConfiguration } from "../../contract/configuration.ts";
import type { ConfigurationSection } from "./section.ts";

/** Reads the limits of pairs of clouds: `FROM->TO: SIZE`. @throws {BtarError} INVALID_CONFIGURATION */
export function readBandwidth(
  section: ConfigurationSection,
  clouds: readonly string[],
): readonly BandwidthLimitConfiguration[] {
  const form = { path: "limits.bandwidth", example: "FROM->TO: SIZE, such as local-north->local-south: 10MiB" };
  return section.sizes("PAIR").map(([pair, bytesPerSecond]) => ({
    ...readPair(section, pair, { ...form, clouds }),
    bytesPerSecond,
  }));
}

/** Two clouds, as a key of a section names them. @throws {BtarError} INVALID_CONFIGURATION */
export function readPair(
  section: ConfigurationSection,
  pair: string,
  form: { readonly path: string; readonly example: string; readonly clouds: readonly string[] },
): { readonly from: string; readonly to: string } {
  const { path, example, clouds } = form;
  const [from = "", to = "", ...rest] = pair.split("->").map((name) => name.trim());
  const refuse = (what: string, hint: string) => section.refuseAt(pair, { what: `${path} has "${pair}"${what}`, hint });
  if (rest.length > 0 || from === "" || to === "") throw refuse("", `give ${example}`);
  const unknown = [from, to].find((cloud) => !clouds.includes(cloud));
  if (unknown !== undefined) throw refuse(`: there is no cloud ${unknown}`, `there are: ${clouds.join(", ")}`);
  if (from === to) throw refuse(": nothing is copied from a cloud to itself", "name two clouds");
  return { from, to };
}

import net from "node:net";
import type { ServerSpec } from "../../server.ts";
import { invalidSetting } from "../../user-settings.ts";

const everywhere = ["0.0.0.0/0", "::/0"];

/** Whom a server lets in. While one recovers, nobody; then btar alone, until the passwords are its own. */
export type Admission = "everyone" | "internal" | "nobody";

/**
 * Who may connect from where: the whole pg_hba.conf of a managed server. btar's own account comes from this host
 * only; everyone else comes from the networks of `ip_filter`, over TLS, and not for physical replication.
 * @throws {BtarError} INVALID_USER_CONFIG
 * @see https://www.postgresql.org/docs/current/auth-pg-hba-conf.html
 */
export function pgHbaConf(spec: ServerSpec, admission: Admission): string {
  const lines = [
    "# Written by btar, whole, at each change of the service: edits are lost.",
    ...(admission === "nobody" ? [] : internalLines(spec.accounts.internal.name)),
    "host replication all all reject",
    ...(admission === "everyone" ? customerLines(spec) : []),
    "host all all all reject",
  ];
  return `${lines.join("\n")}\n`;
}

function internalLines(name: string): string[] {
  const internal = quoteRole(name);
  const lines = ["127.0.0.1/32", "::1/128"].flatMap((network) => [
    `host all ${internal} ${network} scram-sha-256`,
    `host replication ${internal} ${network} scram-sha-256`,
  ]);
  return [...lines, `host all ${internal} all reject`];
}

function customerLines(spec: ServerSpec): string[] {
  // Passwords that were stored as MD5 need the method md5, which takes SCRAM ones too.
  const method = isMd5(spec) ? "md5" : "scram-sha-256";
  return allowedNetworks(spec.userConfig).map((network) => `hostssl all all ${network} ${method}`);
}

/**
 * Networks of `ip_filter`, whose items are texts or `{ network }`; all addresses without it.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
function allowedNetworks(userConfig: Readonly<Record<string, unknown>>): readonly string[] {
  const filter = userConfig.ip_filter ?? everywhere;
  if (!Array.isArray(filter)) throw invalidSetting("ip_filter", filter, "a list of networks");
  return filter.map((item: unknown) => networkOf(item));
}

function networkOf(item: unknown): string {
  const text = typeof item === "object" && item !== null && "network" in item ? item.network : item;
  const [address = "", bits, ...rest] = typeof text === "string" ? text.split("/") : [];
  const version = net.isIP(address);
  const maxBits = version === 4 ? 32 : 128;
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxBits);
  if (version === 0 || address.includes("%") || !isPrefix || rest.length > 0) {
    throw invalidSetting("ip_filter", text, "networks such as 10.20.0.0/16, 2001:db8::/32, or single addresses");
  }
  return `${address}/${bits ?? maxBits}`;
}

function isMd5(spec: ServerSpec): boolean {
  const { pg } = spec.userConfig;
  return typeof pg === "object" && pg !== null && "password_encryption" in pg && pg.password_encryption === "md5";
}

/** In quotes a name is only a name: neither a keyword such as `all` nor a group. */
function quoteRole(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

import net from "node:net";
import { invalidSetting } from "../../user-settings.ts";

/** What a client's address is to a statement that runs in its session: with skip_name_resolve, always an IP address. */
const clientAddress = "SUBSTRING_INDEX(USER(), '@', -1)";

/**
 * The server's `init_connect`, which runs at the start of each session but btar's own: it fails, which ends the session,
 * unless the client comes from a network of `ip_filter`. Empty when all may come.
 *
 * A subquery of two rows is an error only where it is asked for.
 * @throws {BtarError} INVALID_USER_CONFIG
 * @see https://dev.mysql.com/doc/refman/9.7/en/server-system-variables.html#sysvar_init_connect
 */
export function initConnect(userConfig: Readonly<Record<string, unknown>>): string {
  const networks = allowedNetworks(userConfig);
  const coversAll = (version: 4 | 6) => networks.some((each) => each.version === version && each.bits === 0);
  if (coversAll(4) && coversAll(6)) return "";
  const conditions = networks.map(({ first, last }) => `@btar_client BETWEEN '${first}' AND '${last}'`);
  return [
    `SET @btar_client = ${clientAddress}`,
    "SET @btar_client = CONCAT(IF(IS_IPV4(@btar_client), '4:', '6:'), HEX(INET6_ATON(@btar_client)))",
    `SET @btar_admitted = IF(${conditions.join(" OR ") || "FALSE"}, 1, (SELECT 1 UNION ALL SELECT 2))`,
  ].join("; ");
}

interface Network {
  readonly version: 4 | 6;
  readonly bits: number;
  /** The lowest and the highest address, as `4:` and 8 hex digits, or `6:` and 32. */
  readonly first: string;
  readonly last: string;
}

/** Networks of `ip_filter`, whose items are texts or `{ network }`; all addresses without it. */
function allowedNetworks(userConfig: Readonly<Record<string, unknown>>): readonly Network[] {
  const filter = userConfig.ip_filter ?? ["0.0.0.0/0", "::/0"];
  if (!Array.isArray(filter)) throw invalidSetting("ip_filter", filter, "a list of networks");
  return filter.map((item: unknown) => networkOf(item));
}

function networkOf(item: unknown): Network {
  const text = typeof item === "object" && item !== null && "network" in item ? item.network : item;
  const [address = "", bitsText, ...rest] = typeof text === "string" ? text.split("/") : [];
  const version = net.isIP(address);
  const maxBits = version === 4 ? 32 : 128;
  const bits = bitsText === undefined ? maxBits : Number(bitsText);
  const isPrefix = bitsText === undefined || (/^\d{1,3}$/.test(bitsText) && bits <= maxBits);
  if ((version !== 4 && version !== 6) || address.includes("%") || !isPrefix || rest.length > 0) {
    throw invalidSetting("ip_filter", text, "networks such as 10.20.0.0/16, 2001:db8::/32, or single addresses");
  }
  const hostBits = BigInt(maxBits - bits);
  const first = (addressNumber(address, version) >> hostBits) << hostBits;
  const last = first | ((1n << hostBits) - 1n);
  const write = (value: bigint) =>
    `${version}:${value
      .toString(16)
      .toUpperCase()
      .padStart(maxBits / 4, "0")}`;
  return { version, bits, first: write(first), last: write(last) };
}

function addressNumber(address: string, version: 4 | 6): bigint {
  if (version === 4) return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  // The parser of URLs writes every IPv6 address in its one canonical form: no dotted part, at most one `::`.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const last = groups(tail);
  const zeros = Array.from({ length: 8 - groups(head).length - last.length }, () => "0");
  return [...groups(head), ...zeros, ...last].reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

import { lookup } from "node:dns/promises";
import type { BlockList } from "node:net";
import { isIP } from "node:net";
import { BtarError } from "../../domain/errors.ts";
import { isInNetworks, networkList } from "../../platform/networks.ts";

/** Networks that are not of the internet: this machine, the ones around it, and those that lead to either. */
const insideNetworks = networkList([
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"],
  ...["::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10"],
  ...["fec0::/10", "ff00::/8"],
]);

/** An address that may be connected to. */
export interface AllowedAddress {
  readonly address: string;
  readonly family: 4 | 6;
  /** It is in a network that the configuration names: it may be talked to without TLS. */
  readonly isOwn: boolean;
}

/**
 * Which addresses webhooks may reach. Whoever administers a project names their URLs, and must not get btar to ask what
 * only btar can reach: the internet's addresses are allowed, and the networks that the configuration names.
 */
export class OutsideAddresses {
  readonly #own: BlockList;

  /** @param ownNetworks addresses and networks of the configuration */
  constructor(ownNetworks: readonly string[]) {
    this.#own = networkList(ownNetworks);
  }

  /**
   * The first address of a host that may be reached; it is the one to connect to, since a name may mean another one the
   * next time.
   * @throws {BtarError} SERVER_REFUSED when there is none, SERVER_UNREACHABLE when nobody knows the name
   */
  async find(host: string): Promise<AllowedAddress> {
    const addresses = await addressesOf(host);
    for (const { address, family } of addresses) {
      const isOwn = isInNetworks(this.#own, address);
      if (isOwn || !isInNetworks(insideNetworks, address)) return { address, family: family === 6 ? 6 : 4, isOwn };
    }
    const meant = addresses.map(({ address }) => address).filter((address) => address !== host);
    throw new BtarError("SERVER_REFUSED", {
      message: `${[host, ...meant.map((address) => `(${address})`)].join(" ")} is not of the internet`,
      hint: "name its network in the configuration: notifications.allowed_networks",
    });
  }
}

async function addressesOf(host: string): Promise<readonly { readonly address: string; readonly family: number }[]> {
  const literal = host.replace(/^\[|\]$/g, "");
  const version = isIP(literal);
  if (version !== 0) return [{ address: literal, family: version }];
  try {
    return await lookup(host, { all: true });
  } catch (cause) {
    throw new BtarError("SERVER_UNREACHABLE", { message: `nobody knows the host ${host}`, cause });
  }
}

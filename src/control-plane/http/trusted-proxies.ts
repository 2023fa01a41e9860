import type { BlockList } from "node:net";
import type { FastifyRequest } from "fastify";
import type { BtarConfiguration } from "../../contract/configuration.ts";
import { BtarError } from "../../domain/errors.ts";
import { isInNetworks, networkList } from "../../platform/networks.ts";

const loopback = networkList(["127.0.0.0/8", "::1"]);

/** Knows the proxies that speak TLS for this API, and whom they ask for. */
export class TrustedProxies {
  readonly #networks: BlockList;
  readonly #isEnforced: boolean;

  constructor({ trustedProxies, tls }: Pick<BtarConfiguration, "trustedProxies" | "tls">) {
    this.#networks = networkList(trustedProxies);
    // With a certificate of its own, others may come directly.
    this.#isEnforced = trustedProxies.length > 0 && tls === undefined;
  }

  /** Whether what an address says of whom it asks for is believed. */
  isTrusted(address: string): boolean {
    return isInNetworks(this.#networks, address);
  }

  /**
   * Where a proxy speaks TLS, whoever comes past it from another machine would send tokens unencrypted.
   * @throws {BtarError} INSECURE_CONNECTION
   */
  refuseOthers({ socket }: Pick<FastifyRequest, "socket">): void {
    const address = socket.remoteAddress;
    if (!this.#isEnforced || address === undefined) return;
    if (isInNetworks(loopback, address) || this.isTrusted(address)) return;
    throw new BtarError("INSECURE_CONNECTION", {
      message: `${address} came past the proxy, without TLS`,
      hint: "use the proxy's address; make a token anew that was sent",
    });
  }
}

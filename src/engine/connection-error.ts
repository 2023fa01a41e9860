import { BtarError } from "../domain/errors.ts";
import type { ServerAddress } from "./engine.ts";

/** Whether the address is that of a socket file on this host. */
export function isSocketFile(address: ServerAddress): boolean {
  return address.host.startsWith("/");
}

/** Names a database product to people. */
export type Product = "PostgreSQL" | "MySQL";

/** `db.example.com:5432`, `[::1]:5432`, `/run/mysqld/mysqld.sock`. */
export function formatAddress(address: ServerAddress): string {
  if (isSocketFile(address)) return address.host;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

export function unreachable(product: Product, address: ServerAddress, reason: string, cause?: unknown): BtarError {
  return new BtarError("SERVER_UNREACHABLE", {
    message: `${product} at ${formatAddress(address)} cannot be reached: ${reason}`,
    hint: "check that it runs, and that host, port and firewalls let this host connect",
    ...(cause !== undefined && { cause }),
  });
}

export function cancelled(product: Product, address: ServerAddress, cause: unknown): BtarError {
  return new BtarError("CANCELLED", {
    message: `the connection to ${product} at ${formatAddress(address)} was cancelled`,
    cause,
  });
}

export function notTrusted(product: Product, address: ServerAddress, cause: unknown): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `the certificate of ${product} at ${formatAddress(address)} is not trusted: ${reasonOf(cause)}`,
    hint: "give the authority that signed it, and connect by a name that it holds; or use tls mode require",
    details: { reason: "tls" },
    cause,
  });
}

/** Connecting to a name with several addresses fails with one error for each of them. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(reasonOf).join(", ");
  return cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
}

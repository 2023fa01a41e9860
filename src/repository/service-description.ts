import { BtarError } from "../domain/errors.ts";

/** Everything that a fork or a rebuilt catalog needs to know of a service, stored with its backups (P4, R3). */
export interface ServiceDescription {
  readonly format: 1;
  readonly serviceId: string;
  readonly project: string;
  readonly name: string;
  readonly engine: string;
  readonly kind: "managed" | "attached";
  readonly cloud: string;
  readonly plan: string;
  readonly version: string;
  readonly userConfig: Readonly<Record<string, unknown>>;
  readonly users: readonly { readonly name: string; readonly password: string; readonly isAdmin: boolean }[];
  readonly databases: readonly string[];
  /** What it was forked from, and where in that service's log it ends, as the catalog has it; of forks alone. */
  readonly forkedFrom?: object | undefined;
  readonly writtenAt: string;
}

/** @throws {BtarError} OBJECT_DAMAGED, UNSUPPORTED_FORMAT */
export function decodeDescription(bytes: Buffer, name: string): ServiceDescription {
  const content: unknown = JSON.parse(bytes.toString("utf8"));
  const format = typeof content === "object" && content !== null && "format" in content ? content.format : undefined;
  if (format === 1) return content as ServiceDescription; // sealed by btar: authentic, so its shape is that of format 1
  throw new BtarError("UNSUPPORTED_FORMAT", {
    message: `${name} is of format version ${String(format)}`,
    hint: "this btar reads version 1; use a newer one",
  });
}

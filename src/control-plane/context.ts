import type { Logger } from "pino";
import type { Catalog } from "../catalog/catalog.ts";
import type { JobQueue } from "../catalog/job-queue.ts";
import type { BtarConfiguration } from "../contract/configuration.ts";
import type { Engines } from "../engine/engines.ts";
import type { Clock } from "../platform/clock.ts";

/** What the control plane works with. */
export interface ControlPlaneContext {
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  readonly configuration: BtarConfiguration;
  /** 32 bytes; opens the secrets in the catalog. */
  readonly masterKey: Buffer;
  /** For the preflight of databases that are to be attached. */
  readonly engines: Engines;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where the built console is; asked for when a page is wanted first. Undefined: there is none. */
  readonly consoleDirectory?: (() => Promise<string>) | undefined;
}

/** Names of the configured clouds, in the order of the configuration. */
export function cloudNames(configuration: BtarConfiguration): readonly string[] {
  return configuration.clouds.map(({ name }) => name);
}

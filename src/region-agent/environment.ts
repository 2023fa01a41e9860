import type { Logger } from "pino";
import type { Catalog } from "../catalog/catalog.ts";
import type { JobQueue } from "../catalog/job-queue.ts";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { BtarError } from "../domain/errors.ts";
import type { Engines } from "../engine/engines.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { RetryingObjectStore } from "../object-store/retrying-object-store.ts";
import type { BlobWorkers } from "../repository/blob-workers.ts";
import type { CopyPaces } from "./copy-paces.ts";
import type { LogArchivers } from "./log-archivers.ts";
import type { ServiceLocks } from "./service-locks.ts";

/** Everything that an agent's jobs and duties work with. */
export interface AgentEnvironment {
  /** The cloud that this agent acts for. */
  readonly cloud: string;
  /** Same after each restart on this host. */
  readonly agentId: string;
  readonly configuration: BtarConfiguration;
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  /** 32 bytes. */
  readonly masterKey: Buffer;
  /** By cloud: this one's, to write, and all others', to copy from. */
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly engines: Engines;
  /** Owner of restored files when servers run as another user. */
  readonly serverOwner: { readonly uid: number; readonly gid: number } | undefined;
  readonly workers: BlobWorkers;
  readonly logger: Logger;
  readonly archivers: LogArchivers;
  readonly locks: ServiceLocks;
  /** Held while a service's data key is made. */
  readonly keyLocks: ServiceLocks;
  readonly paces: CopyPaces;
}

/** What waits for a store is told here; undefined when it goes on. */
export type OnWaiting = (reason: string | undefined) => void;

/** The store of a cloud, waiting with back-off while it does not answer, until `signal` fires. */
export function patientStore(env: AgentEnvironment, cloud: string, onWaiting: OnWaiting): ObjectStore {
  return new RetryingObjectStore(storeOf(env, cloud), {
    onWaiting: ({ reason, nextTryAt }) =>
      onWaiting(`${reason}; next try at ${nextTryAt.toISOString().slice(11, 19)} UTC`),
    onRecovered: () => onWaiting(undefined),
  });
}

export function storeOf(env: Pick<AgentEnvironment, "stores">, cloud: string): ObjectStore {
  const store = env.stores.get(cloud);
  if (!store) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `cloud ${cloud} is not in the configuration`,
      hint: `configured clouds: ${[...env.stores.keys()].join(", ")}`,
    });
  }
  return store;
}

import { SharedRoom } from "./duties/tasks-in-order.ts";

/** A running log archiver that can be asked to store what it holds back. */
export interface FlushableArchiver {
  /** Stores everything up to `position` without waiting for more, as soon as it has arrived. */
  storeThrough(position: string): void;
}

/** Pieces of log that may be on their way at once beside one of each service: each holds 8 MiB, a merged one up to 32. */
const sharedUploads = 2;

/** The log archivers of this agent, by service. */
export class LogArchivers {
  /** Bounds the memory of all archivers together. */
  readonly uploadRoom = new SharedRoom(sharedUploads);
  readonly #running = new Map<string, FlushableArchiver>();

  add(serviceId: string, archiver: FlushableArchiver): void {
    this.#running.set(serviceId, archiver);
  }

  remove(serviceId: string, archiver: FlushableArchiver): void {
    if (this.#running.get(serviceId) === archiver) this.#running.delete(serviceId);
  }

  /** Whether one runs here; it has stored all that its server has sent when it has ended by the server's end. */
  isRunning(serviceId: string): boolean {
    return this.#running.has(serviceId);
  }

  /** Asks for the log up to a position, if the service's archiver runs here; elsewhere it comes by age. */
  storeThrough(serviceId: string, position: string): void {
    this.#running.get(serviceId)?.storeThrough(position);
  }
}

import { Worker } from "node:worker_threads";
import { BtarError } from "../domain/errors.ts";

/** Seal parts of `buffer`, which moves to the worker and comes back. */
export interface SealRequest {
  readonly id: number;
  readonly kind: "seal";
  readonly key: Uint8Array;
  readonly level: number;
  readonly buffer: ArrayBuffer;
  readonly firstSequence: number;
  readonly blobs: readonly { readonly role: "extent" | "delta"; readonly offset: number; readonly bytes: number }[];
}

/** Open blobs that lie in `sealed`, and write each to its places. */
export interface OpenRequest {
  readonly id: number;
  readonly kind: "open";
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
  readonly blobs: readonly {
    readonly offset: number;
    readonly sealedBytes: number;
    readonly plainBytes: number;
    readonly sequence: number;
    readonly targets: readonly { readonly path: string; readonly position: number }[];
  }[];
}

export type BlobReply =
  | {
      readonly id: number;
      readonly kind: "sealed";
      readonly buffer: ArrayBuffer;
      readonly sealed: Uint8Array;
      readonly sealedBytes: readonly number[];
    }
  | { readonly id: number; readonly kind: "opened" }
  | {
      readonly id: number;
      readonly kind: "failed";
      readonly path: string;
      readonly reason: string;
      /** The file could not be written; otherwise the blob did not open. */
      readonly isWrite: boolean;
    };

export interface SealedBlobs {
  readonly buffer: ArrayBuffer;
  readonly sealed: Uint8Array;
  readonly sealedBytes: readonly number[];
}

interface Pending {
  readonly resolve: (reply: BlobReply) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Worker threads that compress, seal, open and write blobs: as many as the cores that may be used. Threads start
 * with the first work and end with `close`.
 */
export class BlobWorkers {
  readonly #size: number;
  readonly #threads: Thread[] = [];
  #nextId = 1;

  constructor(size: number) {
    this.#size = Math.max(1, size);
  }

  /** How many requests may usefully be under way at once. */
  get width(): number {
    return this.#size;
  }

  /** Seals blobs; `buffer` is unusable until it comes back with the result. */
  async seal(request: Omit<SealRequest, "id" | "kind">): Promise<SealedBlobs> {
    const reply = await this.#ask({ ...request, id: this.#nextId++, kind: "seal" }, [request.buffer]);
    if (reply.kind !== "sealed")
      throw new BtarError("INTERNAL", { message: "a worker gave another answer than asked" });
    return reply;
  }

  /**
   * Opens blobs and writes them. `sealed` is unusable afterwards.
   * @throws {BtarError} OBJECT_DAMAGED, or NOT_ENOUGH_ROOM / INTERNAL when a file cannot be written
   */
  async open(request: Omit<OpenRequest, "id" | "kind">, packName: string): Promise<void> {
    const { sealed } = request;
    const owned = sealed.byteOffset === 0 && sealed.byteLength === sealed.buffer.byteLength;
    const moved = owned && sealed.buffer instanceof ArrayBuffer ? [sealed.buffer] : [];
    const reply = await this.#ask({ ...request, id: this.#nextId++, kind: "open" }, moved);
    if (reply.kind !== "failed") return;
    if (reply.isWrite) {
      const isFull = /ENOSPC|EDQUOT/.test(reply.reason);
      throw new BtarError(isFull ? "NOT_ENOUGH_ROOM" : "INTERNAL", {
        message: `${reply.path} cannot be written: ${reply.reason}`,
        hint: isFull ? "make room on that disk, or restore to another one" : "check the disk and its permissions",
      });
    }
    throw new BtarError("OBJECT_DAMAGED", {
      message: `${packName} is damaged: content of ${reply.path} does not open (${reply.reason})`,
      hint: "use another backup or another location; `btar status` lists them",
      details: { object: packName },
    });
  }

  /** Closes the files that `open` holds, in every thread; to be called when a restore has ended. */
  async closeFiles(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ask({ id: this.#nextId++, kind: "close-files" }, [])));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()));
  }

  async #ask(request: SealRequest | OpenRequest, moved: ArrayBuffer[]): Promise<BlobReply> {
    return await this.#leastBusy().ask(request, moved);
  }

  #leastBusy(): Thread {
    const idle = this.#threads.find((thread) => thread.load === 0);
    if (idle) return idle;
    if (this.#threads.length < this.#size) {
      const thread = new Thread((ended) => {
        const index = this.#threads.indexOf(ended);
        if (index >= 0) this.#threads.splice(index, 1);
      });
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((least, thread) => (thread.load < least.load ? thread : least));
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();

  constructor(onEnd: (thread: Thread) => void) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#worker = new Worker(new URL(`./blob-worker.${extension}`, import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96 },
      stdin: false,
    });
    this.#worker.unref();
    this.#worker.on("message", (reply: BlobReply) => {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if (this.#pending.size === 0) this.#worker.unref();
      pending?.resolve(reply);
    });
    const fail = (cause: unknown) => {
      onEnd(this);
      const error = new BtarError("INTERNAL", { message: "a worker thread ended", cause });
      for (const pending of this.#pending.values()) pending.reject(error);
      this.#pending.clear();
    };
    this.#worker.on("error", fail);
    this.#worker.on("exit", fail);
  }

  get load(): number {
    return this.#pending.size;
  }

  ask(
    request: SealRequest | OpenRequest | { readonly id: number; readonly kind: "close-files" },
    moved: ArrayBuffer[],
  ): Promise<BlobReply> {
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(request, moved);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

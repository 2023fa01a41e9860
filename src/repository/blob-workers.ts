import { Worker } from "node:worker_threads";
import { BtarError } from "../domain/errors.ts";
import { collectGarbage } from "../platform/release-memory.ts";
import { sealedRoom } from "./blob.ts";
import { extentBytes } from "./file-map.ts";
import type { CompareRequest, RestoreReply, RestoreRequest } from "./restore-requests.ts";
import type { VerifyPackRequest } from "./verify-pack.ts";

/**
 * Seal parts of `buffer`, which both threads see; the sealed blobs take its place. Moving buffers from thread to thread
 * would be as fast, but the garbage collector counts them as new memory each time, and runs far more often.
 */
export interface SealRequest {
  readonly kind: "seal";
  readonly key: Uint8Array;
  readonly level: number;
  readonly buffer: SharedArrayBuffer;
  readonly firstSequence: number;
  readonly fingerprintSeed: bigint;
  /** Each has room for `sealedRoom` of its bytes, up to the next. */
  readonly blobs: readonly {
    readonly role: "extent" | "delta";
    readonly offset: number;
    readonly bytes: number;
    /** Whether the fingerprints of its pages are to be made. */
    readonly isFingerprinted: boolean;
  }[];
}

type Request =
  | SealRequest
  | RestoreRequest
  | CompareRequest
  | (VerifyPackRequest & { readonly kind: "verify" })
  | { readonly kind: "end-restore" | "rest" };

export interface BlobRequest {
  readonly id: number;
  readonly request: Request;
}

export type BlobReply =
  | ({ readonly kind: "sealed" } & SealedBlobs)
  | { readonly kind: "verified"; readonly problem: string | undefined }
  | { readonly kind: "rested" }
  | RestoreReply;

export interface SealedBlobs {
  /** Of the blobs, which lie one after the other from the beginning of the buffer. */
  readonly sealedBytes: readonly number[];
  /** Of those that were to be fingerprinted. */
  readonly fingerprints: readonly (BigUint64Array | undefined)[];
}

/** Buffers of this size are sealed at a time, four extents: fewer, larger messages are faster. */
export const sealBufferBytes = 4 * sealedRoom(extentBytes);

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
  readonly #spareBuffers: SharedArrayBuffer[] = [];

  constructor(size: number) {
    this.#size = Math.max(1, size);
  }

  /** How many requests may usefully be under way at once. */
  get width(): number {
    return this.#size;
  }

  /**
   * A buffer for `seal`. Those of an earlier backup are used again: until they are collected, new ones would be as much
   * memory once more.
   */
  takeBuffer(): SharedArrayBuffer {
    return this.#spareBuffers.pop() ?? new SharedArrayBuffer(sealBufferBytes);
  }

  /** @param buffer that nobody uses any more */
  giveBuffer(buffer: SharedArrayBuffer): void {
    if (this.#spareBuffers.length < this.mostBuffers) this.#spareBuffers.push(buffer);
  }

  /** How many buffers keep all threads busy. */
  get mostBuffers(): number {
    return this.#size * 2 + 2;
  }

  /** Seals blobs in `buffer`, which nobody else may touch until the result is there. */
  async seal(request: Omit<SealRequest, "kind">): Promise<SealedBlobs> {
    const reply = await this.#leastBusy().ask({ ...request, kind: "seal" }, []);
    if (reply.kind !== "sealed") throw otherAnswer();
    return reply;
  }

  /**
   * Makes files and writes extents. The sealed bytes of `source` are unusable afterwards.
   * @param names of the packs that the source and the delta come from
   * @throws {BtarError} OBJECT_DAMAGED, or NOT_ENOUGH_ROOM / INTERNAL when a file cannot be written
   */
  async restore(
    request: Omit<RestoreRequest, "kind">,
    names: { readonly source: string; readonly delta: string },
  ): Promise<void> {
    const sealed = request.source?.sealed;
    const owned = sealed?.byteOffset === 0 && sealed.byteLength === sealed.buffer.byteLength;
    const moved = owned && sealed.buffer instanceof ArrayBuffer ? [sealed.buffer] : [];
    const reply = await this.#leastBusy().ask({ ...request, kind: "restore" }, moved);
    if (reply.kind !== "failed") return;
    if (reply.what === "file") throw fileTrouble(reply);
    const pack = names[reply.what === "delta" ? "delta" : "source"];
    throw new BtarError("OBJECT_DAMAGED", {
      message: `${pack} is damaged: content of ${reply.path} does not open (${reply.reason})`,
      hint: "use another backup or another location; `btar status` lists them",
      details: { object: pack },
    });
  }

  /**
   * Makes files that are not there, and compares the content of those that are.
   * @returns indexes of the extents that differ
   * @throws {BtarError} NOT_ENOUGH_ROOM / INTERNAL when a file cannot be read or made
   */
  async compare(request: Omit<CompareRequest, "kind">): Promise<readonly number[]> {
    const reply = await this.#leastBusy().ask({ ...request, kind: "compare" }, []);
    if (reply.kind === "failed") throw fileTrouble(reply);
    if (reply.kind !== "compared") throw otherAnswer();
    return reply.differing;
  }

  /** @returns what is wrong with a pack */
  async verify(request: VerifyPackRequest): Promise<string | undefined> {
    const reply = await this.#leastBusy().ask({ ...request, kind: "verify" }, []);
    if (reply.kind !== "verified") throw otherAnswer();
    return reply.problem;
  }

  /** Closes the files that a restore holds open, in every thread; to be called when it has ended. */
  async endRestore(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ask({ kind: "end-restore" }, [])));
  }

  /** Gives memory back that all threads, this one too, have done with; to be called when much work has ended. */
  async rest(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ask({ kind: "rest" }, [])));
    collectGarbage();
  }

  async close(): Promise<void> {
    this.#spareBuffers.length = 0;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.terminate()));
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

function fileTrouble({ path, reason }: { readonly path: string; readonly reason: string }): BtarError {
  const isFull = /ENOSPC|EDQUOT/.test(reason);
  return new BtarError(isFull ? "NOT_ENOUGH_ROOM" : "INTERNAL", {
    message: `${path} cannot be written: ${reason}`,
    hint: isFull ? "make room on that disk, or restore to another one" : "check the disk and its permissions",
  });
}

function otherAnswer(): BtarError {
  return new BtarError("INTERNAL", { message: "a worker gave another answer than asked" });
}

class Thread {
  #nextId = 1;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();

  constructor(onEnd: (thread: Thread) => void) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#worker = new Worker(new URL(`./blob-worker.${extension}`, import.meta.url), {
      // Few objects, but much memory behind them, which is given back when objects are collected: often, then.
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 96 },
      stdin: false,
    });
    this.#worker.unref();
    this.#worker.on("message", ({ id, reply }: { readonly id: number; readonly reply: BlobReply }) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
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

  ask(request: Request, moved: ArrayBuffer[]): Promise<BlobReply> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, request } satisfies BlobRequest, moved);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

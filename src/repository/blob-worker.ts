/** Code of a worker thread: compresses and seals extents, or opens them and writes them to files. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { openBlob, sealBlob } from "./blob.ts";
import type { BlobReply, OpenRequest, SealRequest } from "./blob-workers.ts";

const maxOpenFiles = 32;

/** Files of the restore that goes on, least recently used first. */
const openFiles = new Map<string, number>();

function seal(request: SealRequest): BlobReply {
  const parts: Buffer[] = [];
  const sealedBytes: number[] = [];
  let total = 0;
  for (const [index, blob] of request.blobs.entries()) {
    const plain = new Uint8Array(request.buffer, blob.offset, blob.bytes);
    const sealed = sealBlob(request.key, {
      role: blob.role,
      sequence: request.firstSequence + index,
      plain,
      level: request.level,
    });
    const length = sealed.reduce((sum, part) => sum + part.length, 0);
    parts.push(...sealed);
    sealedBytes.push(length);
    total += length;
  }
  const sealed = new Uint8Array(new ArrayBuffer(total));
  let at = 0;
  for (const part of parts) {
    sealed.set(part, at);
    at += part.length;
  }
  return { id: request.id, kind: "sealed", buffer: request.buffer, sealed, sealedBytes };
}

function open(request: OpenRequest): BlobReply {
  for (const blob of request.blobs) {
    try {
      const plain = openBlob(request.key, {
        role: "extent",
        sequence: blob.sequence,
        sealed: request.sealed.subarray(blob.offset, blob.offset + blob.sealedBytes),
        plainBytes: blob.plainBytes,
      });
      for (const target of blob.targets) writeFully(target.path, plain, target.position);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const isWrite = error instanceof Error && "syscall" in error;
      return { id: request.id, kind: "failed", path: blob.targets[0]?.path ?? "", reason, isWrite };
    }
  }
  return { id: request.id, kind: "opened" };
}

function writeFully(path: string, bytes: Uint8Array, position: number): void {
  const file = openFile(path);
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}

function openFile(path: string): number {
  const known = openFiles.get(path);
  if (known !== undefined) {
    openFiles.delete(path);
    openFiles.set(path, known);
    return known;
  }
  for (const [oldest, file] of openFiles) {
    if (openFiles.size < maxOpenFiles) break;
    closeSync(file);
    openFiles.delete(oldest);
  }
  const file = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  openFiles.set(path, file);
  return file;
}

function closeFiles(): void {
  for (const file of openFiles.values()) closeSync(file);
  openFiles.clear();
}

const port = parentPort;
if (!port) throw new Error("blob-worker.ts runs as a worker thread only");
port.on("message", (request: SealRequest | OpenRequest | { readonly kind: "close-files"; readonly id: number }) => {
  if (request.kind === "seal") {
    const reply = seal(request);
    const moved = reply.kind === "sealed" ? [reply.buffer, reply.sealed.buffer as ArrayBuffer] : [];
    port.postMessage(reply, moved);
  } else if (request.kind === "open") {
    port.postMessage(open(request));
  } else {
    closeFiles();
    port.postMessage({ id: request.id, kind: "opened" } satisfies BlobReply);
  }
});

/** Code of a worker thread: compresses and seals extents, or opens them and writes them to files. */
import { parentPort } from "node:worker_threads";
import { collectGarbage, releaseMemory } from "../platform/release-memory.ts";
import { sealBlob } from "./blob.ts";
import { PageFingerprints } from "./changed-pages.ts";
import type { BlobReply, BlobRequest, SealRequest } from "./blob-workers.ts";
import { RestoreWork } from "./restore-work.ts";
import { packProblem } from "./verify-pack.ts";

const restoreWork = new RestoreWork();
let lastUsed: { readonly seed: bigint; readonly fingerprints: PageFingerprints } | undefined;

/** One backup has one seed. */
function fingerprintsBy(seed: bigint): PageFingerprints {
  if (lastUsed?.seed !== seed) lastUsed = { seed, fingerprints: new PageFingerprints(seed) };
  return lastUsed.fingerprints;
}

function seal(request: SealRequest): BlobReply {
  const parts: Buffer[] = [];
  const sealedBytes: number[] = [];
  const fingerprints: (BigUint64Array | undefined)[] = [];
  for (const [index, blob] of request.blobs.entries()) {
    const plain = Buffer.from(request.buffer, blob.offset, blob.bytes);
    fingerprints.push(blob.isFingerprinted ? fingerprintsBy(request.fingerprintSeed).ofExtent(plain) : undefined);
    const sealed = sealBlob(request.key, {
      role: blob.role,
      sequence: request.firstSequence + index,
      plain,
      level: request.level,
    });
    parts.push(...sealed);
    sealedBytes.push(sealed.reduce((sum, part) => sum + part.length, 0));
  }
  putBack(parts, request.buffer);
  return { kind: "sealed", sealedBytes, fingerprints };
}

/** Only once all are sealed: the first of them may take more room than they had. */
function putBack(parts: readonly Buffer[], buffer: SharedArrayBuffer): void {
  const target = Buffer.from(buffer);
  let at = 0;
  for (const part of parts) {
    // Into memory that threads share, `fill` is several times as fast as `set` and `copy`.
    target.fill(part, at, at + part.length);
    at += part.length;
    releaseMemory(part);
  }
}

const port = parentPort;
if (!port) throw new Error("blob-worker.ts runs as a worker thread only");
port.on("message", ({ id, request }: BlobRequest) => {
  switch (request.kind) {
    case "seal":
      port.postMessage({ id, reply: seal(request) });
      return;
    case "restore":
      port.postMessage({ id, reply: restoreWork.restore(request) });
      return;
    case "compare":
      port.postMessage({ id, reply: restoreWork.compare(request) });
      return;
    case "verify":
      port.postMessage({ id, reply: { kind: "verified", problem: packProblem(request) } satisfies BlobReply });
      return;
    case "rest":
      collectGarbage();
      port.postMessage({ id, reply: { kind: "rested" } satisfies BlobReply });
      return;
    case "end-restore":
      port.postMessage({ id, reply: restoreWork.end() });
  }
});

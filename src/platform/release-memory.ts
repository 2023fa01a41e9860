/** There when Node was started with `--expose-gc`, as agents are. */
declare const gc: undefined | (() => void);

/** Collects what this thread has done with, where that can be asked for. */
export function collectGarbage(): void {
  if (typeof gc === "function") gc();
}

/** Smaller ones may lie in memory that Node's buffers share. */
const leastBytes = 128 * 1024;

/**
 * Gives the memory of a buffer back now, not when it is collected: a thread that makes few objects, each with a MiB
 * behind it, would hold tens of them until then. The buffer, which must have its memory for itself, is empty afterwards.
 */
export function releaseMemory({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= leastBytes) buffer.transfer(0);
}

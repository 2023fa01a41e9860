/** Memory that begins at a page boundary, which writing past the page cache needs: resizable buffers do. */
export function pageAlignedBuffer(lengthBytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(lengthBytes, { maxByteLength: lengthBytes }));
}

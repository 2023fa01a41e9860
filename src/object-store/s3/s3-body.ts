import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { GetObjectCommandOutput, PutObjectCommand } from "@aws-sdk/client-s3";
import { checkStoredSize } from "../key.ts";
import type { ByteRange } from "../object-store.ts";

/** A body to send: buffers that are several go out one after the other and are not joined in memory. */
export function requestBody(buffers: readonly Uint8Array[]): Buffer | Readable {
  const filled = buffers.filter((buffer) => buffer.byteLength > 0);
  const [first = Buffer.alloc(0)] = filled;
  if (filled.length > 1) return Readable.from(filled, { objectMode: false });
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}

export function sha256Of(buffers: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const buffer of buffers) hash.update(buffer);
  return hash.digest("hex");
}

/**
 * Has the request's signature cover the body, by its hash, which we know already: the SDK would read a buffer once
 * more for it, and would leave a stream unsigned.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function signBody(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      if (hasHeaders(args.request)) args.request.headers["x-amz-content-sha256"] = sha256;
      return await next(args);
    },
    { step: "build", name: "signBody" },
  );
}

/** The header that asks for a part of an object. HTTP counts to the last byte. */
export function rangeHeader(range: ByteRange | undefined): { readonly Range?: string } {
  return range ? { Range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}` } : {};
}

/**
 * Reads an answer to the end.
 * @throws {BtarError} OBJECT_DAMAGED when it is larger than objects are
 * @throws {Error} when it ends too early, or is another part than was asked for
 */
export async function readAnswer(
  object: { readonly key: string; readonly store: string; readonly range: ByteRange | undefined },
  answer: GetObjectCommandOutput,
): Promise<Buffer> {
  const body = answerBody(answer);
  try {
    const sizeBytes = answer.ContentLength;
    if (sizeBytes === undefined) throw new Error("the answer does not say how long it is");
    checkStoredSize({ ...object, sizeBytes });
    if (object.range && !answer.ContentRange?.startsWith(`bytes ${object.range.offset}-`)) {
      throw new Error(
        `${answer.ContentRange ?? "the whole object"} came instead of ${rangeHeader(object.range).Range}`,
      );
    }
    return await readBytes(body, sizeBytes);
  } finally {
    body.destroy();
  }
}

export function answerBody({ Body }: GetObjectCommandOutput): Readable {
  if (Body instanceof Readable) return Body;
  throw new Error("the answer has no body");
}

async function readBytes(body: Readable, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  let filled = 0;
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array) || filled + chunk.byteLength > sizeBytes) break;
    bytes.set(chunk, filled);
    filled += chunk.byteLength;
  }
  if (filled !== sizeBytes) throw new Error(`the answer broke off after ${filled} of ${sizeBytes} bytes`);
  return bytes;
}

function hasHeaders(request: unknown): request is { readonly headers: Record<string, string> } {
  return typeof request === "object" && request !== null && "headers" in request;
}

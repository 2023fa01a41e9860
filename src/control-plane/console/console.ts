import { randomBytes } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { BtarError } from "../../domain/errors.ts";
import { type ConsoleFile, indexPath, noncePlaceholder, readConsoleFiles } from "./console-files.ts";

/** What the API answers by itself; all other paths are views of the console. */
const apiPath = /^\/(?:v1|metrics|livez|readyz)(?:\/|$)/;
const assetPath = /^\/assets\//;

/** Everything from this server alone, no script within a page, and no frame of another's. */
function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

const headers = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
} as const;

/** The web console: a page, and what it loads. */
export class Console {
  readonly #directory: (() => Promise<string>) | undefined;
  #files: Promise<ReadonlyMap<string, ConsoleFile>> | undefined;

  /** @param directory of the built console; asked for when a page is wanted first */
  constructor(directory: (() => Promise<string>) | undefined) {
    this.#directory = directory;
  }

  /** Whether a request that no route takes is for a page, or for what one loads. */
  isFor({ method, url, headers: { accept } }: FastifyRequest): boolean {
    if (this.#directory === undefined || (method !== "GET" && method !== "HEAD")) return false;
    const path = pathOf(url);
    if (apiPath.test(path)) return false;
    return assetPath.test(path) || ["/", "/favicon.svg"].includes(path) || (accept ?? "").includes("text/html");
  }

  /** Answers such a request. @throws {BtarError} NOT_FOUND, COMMAND_FAILED when it cannot be built */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const files = await this.#load();
    const path = pathOf(request.url);
    const file = files.get(path);
    reply.headers(headers);
    if (file && path !== indexPath) return await sendFile(request, reply, { file, isHashed: assetPath.test(path) });
    const index = files.get(indexPath);
    if (assetPath.test(path) || !index) {
      throw new BtarError("NOT_FOUND", { message: `There is no ${path}`, hint: "load the page again" });
    }
    const nonce = randomBytes(16).toString("base64");
    reply.headers({ "content-security-policy": contentSecurityPolicy(nonce), "cache-control": "no-store" });
    return await reply.type(index.type).send(index.bytes.toString("utf8").replaceAll(noncePlaceholder, nonce));
  }

  async #load(): Promise<ReadonlyMap<string, ConsoleFile>> {
    const directory = this.#directory;
    if (directory === undefined) throw new BtarError("NOT_FOUND", { message: "There is no console" });
    this.#files ??= directory().then(readConsoleFiles);
    try {
      return await this.#files;
    } catch (error) {
      this.#files = undefined; // it is tried again
      throw error;
    }
  }
}

async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { file, isHashed }: { readonly file: ConsoleFile; readonly isHashed: boolean },
): Promise<unknown> {
  const { type, bytes, compressed } = file;
  reply.headers({ "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache" });
  if (!compressed) return await reply.type(type).send(bytes);
  reply.header("vary", "accept-encoding");
  const isWelcome = /\bbr\b/.test(request.headers["accept-encoding"] ?? "");
  return isWelcome
    ? await reply.type(type).header("content-encoding", "br").send(compressed)
    : await reply.type(type).send(bytes);
}

function pathOf(url: string): string {
  return url.split("?")[0] ?? "/";
}

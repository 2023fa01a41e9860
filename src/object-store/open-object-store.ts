import path from "node:path";
import { BtarError } from "../domain/errors.ts";
import { FileObjectStore } from "./file/file-object-store.ts";
import { isKey } from "./key.ts";
import type { ObjectStore } from "./object-store.ts";
import { isInsecure, type S3Credentials, type S3Location, s3Url } from "./s3/s3-location.ts";
import { S3ObjectStore } from "./s3/s3-object-store.ts";

/** A checked store URL. `url` says the same as the text it was read from, in one spelling. */
export type StoreUrl =
  | { readonly kind: "file"; readonly url: string; readonly directory: string }
  | { readonly kind: "s3"; readonly url: string; readonly location: S3Location };

const accepted = "accepted are file:PATH and s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION";
const queryKeys = ["endpoint", "region", "insecure"];

/**
 * Reads the URL of an object store.
 *
 * - `file:PATH`: a directory. A relative path is one below `baseDirectory`.
 * - `s3://BUCKET/PREFIX`: a bucket of Amazon S3, whose `region` must be given, or of the service at `endpoint`.
 *   The prefix may be empty. `insecure=true` allows an endpoint without TLS on another machine.
 * @param options.baseDirectory absolute; when undefined, relative paths are refused
 * @throws {BtarError} INVALID_CONFIGURATION with the value and what is accepted
 */
export function parseStoreUrl(text: string, options: { readonly baseDirectory?: string | undefined } = {}): StoreUrl {
  // Said without the text: it may hold a password.
  if (/^s3:.*@/.test(text)) throw refused("a store's URL holds credentials", "give them beside the URL instead");
  if (text.startsWith("file:")) return parseFileUrl(text, options.baseDirectory);
  if (text.startsWith("s3://")) return parseS3Url(text);
  throw refused(`${JSON.stringify(text)} is no URL of an object store`, accepted);
}

/**
 * A store that is ready to be opened.
 * @param url as `parseStoreUrl` takes it; a path must be absolute
 * @param options.credentials for S3; undefined: those that the AWS SDK finds by itself
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export function createObjectStore(
  url: string,
  options: { readonly credentials?: S3Credentials | undefined } = {},
): ObjectStore {
  const store = parseStoreUrl(url);
  return store.kind === "file" ? new FileObjectStore(store.directory) : new S3ObjectStore(store.location, options);
}

function parseFileUrl(text: string, baseDirectory: string | undefined): StoreUrl {
  // `file:///path` is the same as `file:/path`; `file://host/path` would be on another machine.
  const given = text.slice("file:".length).replace(/^\/\/(?=\/)/, "");
  const bad = given === "" || given.startsWith("//") || /[\0?#]/.test(given);
  if (bad) throw refused(`${JSON.stringify(text)} is no directory`, "give file:PATH; a path has no ? or # here");
  if (baseDirectory === undefined && !path.isAbsolute(given)) {
    throw refused(`${JSON.stringify(text)} is not absolute`, "give file:/ and the whole path");
  }
  const directory = path.resolve(baseDirectory ?? "/", given);
  if (directory === "/") throw refused(`${JSON.stringify(text)} is the root directory`, "give a directory below it");
  return { kind: "file", url: `file:${directory}`, directory };
}

function parseS3Url(text: string): StoreUrl {
  const [, bucket = "", prefix = "", query = ""] = /^s3:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw refused(`${JSON.stringify(text)} names no bucket`, "bucket names are 3 to 63 of a-z 0-9 . -");
  }
  const trimmed = prefix.replace(/\/$/, "");
  if (trimmed !== "" && !isKey(trimmed)) {
    throw refused(`${JSON.stringify(prefix)} is no prefix`, "it is segments of A-Z a-z 0-9 . _ - joined by /");
  }
  const parameters = parseQuery(text, query);
  const endpoint = parameters.has("endpoint") ? parseEndpoint(text, parameters) : undefined;
  const location = { bucket, prefix: trimmed, endpoint, region: parseRegion(text, parameters, endpoint) };
  return { kind: "s3", url: s3Url(location), location };
}

function parseQuery(text: string, query: string): URLSearchParams {
  const parameters = new URLSearchParams(query);
  for (const [key, value] of parameters) {
    if (!queryKeys.includes(key)) {
      throw refused(`${JSON.stringify(text)} has an unknown setting ${key}`, `accepted are ${queryKeys.join(", ")}`);
    }
    if (parameters.getAll(key).length > 1) throw refused(`${JSON.stringify(text)} has ${key} twice`, "give it once");
    if (key === "insecure" && value !== "true" && value !== "false") {
      throw refused(`${JSON.stringify(text)} has insecure=${value}`, "accepted are true and false");
    }
  }
  return parameters;
}

/** @returns the origin, without a slash at the end */
function parseEndpoint(text: string, parameters: URLSearchParams): string {
  const value = parameters.get("endpoint") ?? "";
  const endpoint = URL.canParse(value) ? new URL(value) : undefined;
  if (!endpoint || !/^https?:$/.test(endpoint.protocol) || endpoint.href !== `${endpoint.origin}/`) {
    throw refused(`${JSON.stringify(text)} has endpoint ${value}`, "give https://HOST or https://HOST:PORT");
  }
  if (isInsecure(endpoint.origin) && parameters.get("insecure") !== "true") {
    throw refused(
      `${JSON.stringify(text)} has an endpoint without TLS on another machine`,
      "give https://…, or add &insecure=true if nobody else can reach the network between",
    );
  }
  return endpoint.origin;
}

function parseRegion(text: string, parameters: URLSearchParams, endpoint: string | undefined): string {
  // Services other than AWS mostly have no regions, and take the name of the oldest.
  const region = parameters.get("region") ?? (endpoint === undefined ? "" : "us-east-1");
  if (/^[a-z0-9][a-z0-9-]*$/i.test(region)) return region;
  throw refused(`${JSON.stringify(text)} does not say its region`, "add ?region=REGION, such as region=eu-west-1");
}

function refused(message: string, hint: string): BtarError {
  return new BtarError("INVALID_CONFIGURATION", { message, hint });
}

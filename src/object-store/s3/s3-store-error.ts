import { BtarError, type ErrorCode } from "../../domain/errors.ts";
import { cancelled } from "../../platform/clock.ts";

/** What is known of a failed call, whatever class of error the SDK made of it. */
interface S3Failure {
  /** The service's word for it (`NoSuchBucket`), or the system's (`ECONNREFUSED`). */
  readonly name: string;
  /** undefined when there was no answer. */
  readonly status: number | undefined;
  readonly message: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** Answers whose meaning their HTTP status does not tell. */
const meanings: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: { code: "STORE_UNREACHABLE", hint: "make the bucket, or correct its name; btar makes no buckets" },
  ExpiredToken: { code: "STORE_REFUSED", hint: "the credentials are over: give new ones" },
  InvalidToken: { code: "STORE_REFUSED", hint: "give other credentials" },
  RequestTimeTooSkewed: { code: "STORE_REFUSED", hint: "set this machine's clock" },
  CredentialsProviderError: {
    code: "STORE_REFUSED",
    hint: "give the store credentials in the configuration, or in the environment as for other AWS tools",
  },
  AuthorizationHeaderMalformed: { code: "STORE_REFUSED", hint: "check the region in the store's URL" },
  PermanentRedirect: { code: "STORE_REFUSED", hint: "check the region in the store's URL" },
  NotImplemented: {
    code: "STORE_REFUSED",
    hint: "the service lacks what btar needs: conditional writes (If-None-Match) and checksums",
  },
  // Bytes that changed or stayed behind on the way: they are sent again.
  BadDigest: {
    code: "STORE_UNREACHABLE",
    hint: "the bytes changed on the way; if it repeats, check memory and network",
  },
  XAmzContentSHA256Mismatch: {
    code: "STORE_UNREACHABLE",
    hint: "the bytes changed on the way; if it repeats, check memory and network",
  },
  IncompleteBody: { code: "STORE_UNREACHABLE", hint: "the connection broke off" },
  ConditionalRequestConflict: { code: "STORE_UNREACHABLE", hint: "others store the same object at this moment" },
  OperationAborted: { code: "STORE_UNREACHABLE", hint: "others store the same object at this moment" },
  RequestTimeout: { code: "STORE_UNREACHABLE", hint: "the connection is too slow or broke off" },
  // Ceph answers 403 to this, MinIO 507.
  QuotaExceeded: { code: "STORE_FULL", hint: "raise the quota, or make room" },
  InsufficientCapacity: { code: "STORE_FULL", hint: "make room in the service" },
  XMinioStorageFull: { code: "STORE_FULL", hint: "make room in the service" },
};

/**
 * Says in the words of `ObjectStore` what a failed call to an S3 service means.
 * @param call.place bucket and endpoint, for people
 * @param call.doing what the store was about, such as `cannot store a/b`
 * @returns errors of btar's own as they are
 */
export function s3StoreError(
  error: unknown,
  call: { readonly place: string; readonly doing: string; readonly signal?: AbortSignal | undefined },
): BtarError {
  if (error instanceof BtarError) return error;
  if (call.signal?.aborted) return cancelled(call.signal.reason);
  const failure = failureOf(error);
  const answer = failure.status === undefined ? failure.name : `${failure.name}, HTTP ${failure.status}`;
  const { code, hint } = meanings[failure.name] ?? meaningOf(failure.status);
  return new BtarError(code, {
    message: `${call.place} ${call.doing}: ${failure.message} (${answer})`,
    hint,
    cause: error,
  });
}

/** What went wrong, as the service or the system calls it. */
export function failureOf(error: unknown): S3Failure {
  if (!(error instanceof Error)) return { name: "Error", status: undefined, message: String(error) };
  // All addresses of a host were tried: the first failure stands for them.
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0]);
  const status = "$metadata" in error ? statusOf(error.$metadata) : undefined;
  const systemCode = status === undefined && "code" in error ? String(error.code) : undefined;
  // An answer to HEAD has no body, and so no word for the failure.
  const isUnnamed = error.message === "" || error.message === "UnknownError";
  return {
    name: systemCode ?? error.name,
    status,
    message: isUnnamed ? "the service did not say why" : error.message.slice(0, 500),
  };
}

function statusOf(metadata: unknown): number | undefined {
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

function meaningOf(status: number | undefined): Meaning {
  if (status === undefined) return { code: "STORE_UNREACHABLE", hint: "check the endpoint and the network" };
  if (status === 507) return { code: "STORE_FULL", hint: "make room in the service" };
  if (status === 401 || status === 403) {
    return { code: "STORE_REFUSED", hint: "check the credentials and what they allow in this bucket" };
  }
  if (status >= 500 || status === 408 || status === 429) {
    return { code: "STORE_UNREACHABLE", hint: "the service is in trouble or overloaded" };
  }
  return { code: "STORE_REFUSED", hint: "check the bucket, endpoint and region in the store's URL" };
}

import type * as sdkModule from "@aws-sdk/client-s3";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { s3StoreError } from "./s3-store-error.ts";
import type { S3Credentials, S3Location } from "./s3-location.ts";

type Sdk = typeof sdkModule;

/** How long a service may take before it counts as not answering. */
export interface S3TimeLimits {
  readonly connectMs: number;
  /** … during which nothing is sent or received. */
  readonly idleMs: number;
}

/** What a call is about, for the message of its failure (`cannot store a/b`), and what ends it. */
export interface S3Call {
  readonly doing: string;
  readonly signal: AbortSignal | undefined;
}

/** What calls are made with. `http` goes with each, so that the call's signal ends it. */
export interface S3Connection {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly http: { readonly abortSignal?: AbortSignal };
}

/** Calls that are under way at a time; others wait for a connection. */
const maxConnections = 128;

/** The connection to an S3 service. The SDK is large: it is loaded with the first call. */
export class S3Service {
  readonly #location: S3Location;
  readonly #credentials: S3Credentials | undefined;
  readonly #limits: S3TimeLimits;
  readonly #place: string;
  #connected: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;

  constructor(options: {
    readonly location: S3Location;
    /** The SDK's own search (environment, files, instance role) when undefined. */
    readonly credentials: S3Credentials | undefined;
    readonly limits: S3TimeLimits;
  }) {
    this.#location = options.location;
    this.#credentials = options.credentials;
    this.#limits = options.limits;
    const { bucket, endpoint, region } = options.location;
    this.#place = `s3 bucket ${bucket} at ${endpoint ?? `AWS ${region}`}`;
  }

  /** Equal for two that may copy from each other inside the service. */
  get identity(): string {
    return JSON.stringify([this.#location.endpoint ?? "AWS", this.#credentials?.accessKeyId ?? "default"]);
  }

  /**
   * Makes calls to the service.
   * @throws {BtarError} as `ObjectStore` says
   */
  async call<T>(call: S3Call, work: (connection: S3Connection) => Promise<T>): Promise<T> {
    try {
      call.signal?.throwIfAborted();
      const connected = await (this.#connected ??= this.#connect());
      return await work({ ...connected, http: call.signal ? { abortSignal: call.signal } : {} });
    } catch (error) {
      throw s3StoreError(error, { place: this.#place, ...call });
    }
  }

  async close(): Promise<void> {
    const connected = await this.#connected;
    this.#connected = undefined;
    connected?.client.destroy();
  }

  async #connect(): Promise<{ readonly sdk: Sdk; readonly client: S3Client }> {
    const sdk = await import("@aws-sdk/client-s3");
    return { sdk, client: new sdk.S3Client(this.#settings()) };
  }

  #settings(): S3ClientConfig {
    const { endpoint, region } = this.#location;
    const agent = { keepAlive: true, maxSockets: maxConnections };
    return {
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(this.#credentials && { credentials: plainCredentials(this.#credentials) }),
      // Whoever wants attempts repeated wraps the store, and then sees the waits.
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: this.#limits.connectMs,
        socketTimeout: this.#limits.idleMs,
        httpAgent: agent,
        httpsAgent: agent,
      },
      // We send our own checksum with each object; the trailers of newer SDKs are unknown to many services.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    };
  }
}

function plainCredentials({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { HeadObjectCommandOutput, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { throwIfCancelled } from "../../platform/clock.ts";
import { checkBody, checkFolder, checkKey, checkPrefix, checkRange, compareKeys, isKey } from "../key.ts";
import type { ByteRange, ObjectStore, PutOptions, StoreCallOptions, StoredObject } from "../object-store.ts";
import { answerBody, rangeHeader, readAnswer, requestBody, sha256Of, signBody } from "./s3-body.ts";
import { type S3Credentials, type S3Location, s3Url } from "./s3-location.ts";
import { type S3Call, type S3Connection, S3Service, type S3TimeLimits } from "./s3-service.ts";
import { failureOf } from "./s3-store-error.ts";

const defaultLimits: S3TimeLimits = { connectMs: 10_000, idleMs: 60_000 };
const conflictAttempts = 5;
const conflictPauseMs = 200;

/**
 * Objects in a bucket of Amazon S3, or of any service that speaks its protocol and knows conditional writes.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
 */
export class S3ObjectStore implements ObjectStore {
  readonly url: string;
  readonly #bucket: string;
  /** What all keys of this store begin with in the bucket: empty, or ending in a slash. */
  readonly #folder: string;
  readonly #service: S3Service;

  /** @param options.credentials undefined: those that the AWS SDK finds by itself */
  constructor(
    location: S3Location,
    options: { readonly credentials?: S3Credentials | undefined; readonly limits?: S3TimeLimits | undefined } = {},
  ) {
    this.url = s3Url(location);
    this.#bucket = location.bucket;
    this.#folder = location.prefix && `${location.prefix}/`;
    const { credentials, limits = defaultLimits } = options;
    this.#service = new S3Service({ location, credentials, limits });
  }

  async open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    await this.#lookAtBucket("cannot be opened", options);
  }

  async put(
    key: string,
    body: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<"stored" | "exists"> {
    checkKey(key);
    const { buffers, sizeBytes } = checkBody(key, body);
    const sha256 = options.sha256 ?? sha256Of(buffers);
    return await this.#ifAbsent(called(`cannot store ${key}`, options), async ({ sdk, client, http }) => {
      const command = new sdk.PutObjectCommand({
        ...this.#objectOf(key),
        Body: requestBody(buffers),
        ContentLength: sizeBytes,
        ...(!options.isReplacing && { IfNoneMatch: "*" }),
        // Some services check the sum only when the algorithm is named beside it.
        ChecksumAlgorithm: "SHA256",
        ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),
      });
      signBody(command, sha256);
      await client.send(command, http);
    });
  }

  async get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    checkKey(key);
    const { range } = options;
    checkRange(range);
    // HTTP has no way to ask for no bytes.
    if (range?.lengthBytes === 0) return (await this.head(key, options)) && Buffer.alloc(0);
    return await this.#service.call(called(`cannot read ${key}`, options), async ({ sdk, client, http }) => {
      try {
        const command = new sdk.GetObjectCommand({ ...this.#objectOf(key), ...rangeHeader(range) });
        return await readAnswer({ key, store: this.url, range }, await client.send(command, http));
      } catch (error) {
        const { name, status } = failureOf(error);
        if (name === "NoSuchKey") return undefined;
        if (range && status === 416) return Buffer.alloc(0); // it begins past the end
        throw error;
      }
    });
  }

  async head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    checkKey(key);
    const answer = await this.#head(key, options);
    return answer && { key, sizeBytes: answer.ContentLength ?? 0, storedAt: answer.LastModified ?? new Date(0) };
  }

  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    checkPrefix(prefix);
    for await (const page of this.#pages(prefix, options)) {
      for (const object of page.Contents ?? []) {
        throwIfCancelled(options.signal);
        const key = object.Key?.slice(this.#folder.length) ?? "";
        // Others may keep objects here whose names are no keys, such as the "folders" that consoles make.
        if (isKey(key)) yield { key, sizeBytes: object.Size ?? 0, storedAt: object.LastModified ?? new Date(0) };
      }
    }
  }

  async listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    checkFolder(prefix);
    const folders: string[] = [];
    for await (const page of this.#pages(prefix, { ...options, delimiter: "/" })) {
      for (const folder of page.CommonPrefixes ?? []) {
        const name = folder.Prefix?.slice(this.#folder.length + prefix.length, -1) ?? "";
        if (isKey(name)) folders.push(name);
      }
    }
    return folders.sort(compareKeys);
  }

  async delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    checkKey(key);
    await this.#service.call(called(`cannot delete ${key}`, options), async ({ sdk, client, http }) => {
      try {
        await client.send(new sdk.DeleteObjectCommand(this.#objectOf(key)), http);
      } catch (error) {
        if (failureOf(error).name !== "NoSuchKey") throw error;
      }
    });
  }

  async copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    checkKey(key);
    if (!(source instanceof S3ObjectStore) || source.#service.identity !== this.#service.identity) return "unsupported";
    if (!(await source.head(key, options))) return "missing";
    // Not every service looks at the condition of a copy.
    if (await this.head(key, options)) return "exists";
    const { Bucket, Key } = source.#objectOf(key);
    return await this.#ifAbsent(called(`cannot copy ${key} from ${source.url}`, options), async (connection) => {
      const command = new connection.sdk.CopyObjectCommand({
        ...this.#objectOf(key),
        CopySource: `${Bucket}/${Key}`, // of characters that URLs hold as they are
        IfNoneMatch: "*",
        ChecksumAlgorithm: "SHA256",
      });
      await connection.client.send(command, connection.http);
    });
  }

  async sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    checkKey(key);
    const known = await this.#head(key, options);
    if (!known) return undefined;
    // Of an object that was sent in parts, it would be the sum of the parts' sums.
    const isOfWhole = (known.ChecksumType ?? "FULL_OBJECT") === "FULL_OBJECT" && known.ChecksumSHA256?.length === 44;
    if (isOfWhole && known.ChecksumSHA256) return Buffer.from(known.ChecksumSHA256, "base64").toString("hex");
    return await this.#service.call(called(`cannot read ${key}`, options), async ({ sdk, client, http }) => {
      try {
        const answer = await client.send(new sdk.GetObjectCommand(this.#objectOf(key)), http);
        const hash = createHash("sha256");
        for await (const chunk of answerBody(answer)) hash.update(chunk);
        return hash.digest("hex");
      } catch (error) {
        if (failureOf(error).name === "NoSuchKey") return undefined;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#service.close();
  }

  /** Has an object written whose request fails when there is one already. */
  async #ifAbsent(call: S3Call, send: (connection: S3Connection) => Promise<void>): Promise<"stored" | "exists"> {
    return await this.#service.call(call, async (connection) => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await send(connection);
          return "stored";
        } catch (error) {
          const { status } = failureOf(error);
          if (status === 412) return "exists";
          // Another put of the same key is under way, and it is open how that will end.
          if (status !== 409 || attempt === conflictAttempts) throw error;
          await sleep(conflictPauseMs * attempt, undefined, call.signal ? { signal: call.signal } : {});
        }
      }
    });
  }

  async #head(key: string, options: StoreCallOptions): Promise<HeadObjectCommandOutput | undefined> {
    const doing = `cannot look for ${key}`;
    const answer = await this.#service.call(called(doing, options), async ({ sdk, client, http }) => {
      try {
        return await client.send(new sdk.HeadObjectCommand({ ...this.#objectOf(key), ChecksumMode: "ENABLED" }), http);
      } catch (error) {
        if (failureOf(error).status === 404) return undefined;
        throw error;
      }
    });
    // The answer to HEAD does not tell a missing object from a missing bucket.
    if (!answer) await this.#lookAtBucket(doing, options);
    return answer;
  }

  async #lookAtBucket(doing: string, options: StoreCallOptions): Promise<void> {
    await this.#service.call(called(doing, options), async ({ sdk, client, http }) => {
      const question = { Bucket: this.#bucket, Prefix: this.#folder, MaxKeys: 1 };
      await client.send(new sdk.ListObjectsV2Command(question), http);
    });
  }

  async *#pages(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string; readonly delimiter?: string },
  ): AsyncGenerator<ListObjectsV2CommandOutput> {
    const call = called(`cannot list ${prefix || "objects"}`, options);
    const question = {
      Bucket: this.#bucket,
      Prefix: this.#folder + prefix,
      ...(options.after ? { StartAfter: this.#folder + options.after } : {}),
      ...(options.delimiter ? { Delimiter: options.delimiter } : {}),
    };
    let token: string | undefined;
    do {
      const position = token === undefined ? {} : { ContinuationToken: token };
      const page = await this.#service.call(call, async ({ sdk, client, http }) => {
        const answer = await client.send(new sdk.ListObjectsV2Command({ ...question, ...position }), http);
        if (answer.IsTruncated && !answer.NextContinuationToken) throw new Error("the list has no end");
        return answer;
      });
      yield page;
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  #objectOf(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#folder + key };
  }
}

function called(doing: string, { signal }: StoreCallOptions): S3Call {
  return { doing, signal };
}

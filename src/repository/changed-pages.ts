import { xxh64 } from "@node-rs/xxhash";
import { type Extent, type ExtentBlob, extentBytes, pageBytes, pageLength, partsOf } from "./file-map.ts";

/** A delta of more than this share of its extent is stored as a whole extent. */
const largestDeltaShare = 0.75;

const zeros = Buffer.alloc(extentBytes);

export function isZero(content: Buffer): boolean {
  return content[0] === 0 && content.equals(zeros.subarray(0, content.length));
}

/** Makes fingerprints of pages, with the service's secret seed. */
export class PageFingerprints {
  readonly #seed: bigint;
  /** Of a page of zeros. */
  readonly ofZeros: bigint;

  constructor(seed: bigint) {
    this.#seed = seed;
    this.ofZeros = xxh64(zeros.subarray(0, pageBytes), seed);
  }

  ofPage(page: Uint8Array): bigint {
    return xxh64(page, this.#seed);
  }

  /** Of all pages of an extent. */
  ofExtent(content: Buffer): BigUint64Array {
    const fingerprints = new BigUint64Array(partsOf(content.length, pageBytes));
    for (let page = 0, at = 0; at < content.length; page += 1, at += pageBytes) {
      fingerprints[page] = xxh64(content.subarray(at, Math.min(at + pageBytes, content.length)), this.#seed);
    }
    return fingerprints;
  }
}

/** An extent of the previous backup that a new one may build on. */
export interface PriorExtent {
  readonly extent: Exclude<Extent, { readonly kind: "hole" }>;
  readonly base: ExtentBlob;
  /** Of the base's pages. */
  readonly baseFingerprints: BigUint64Array;
  /** Whether the extent may be referred to as it is; otherwise its base only. */
  readonly isReusable: boolean;
}

/** What an extent is to be stored as. */
export type ExtentChoice =
  | { readonly kind: "reuse"; readonly extent: Extent }
  /** These pages over the base; `fingerprints` are theirs. */
  | { readonly kind: "delta"; readonly pages: readonly number[]; readonly fingerprints: BigUint64Array }
  | { readonly kind: "whole" };

/**
 * Chooses how an extent is stored of which all pages are known.
 * @param fingerprints of its pages as they are now
 */
export function chooseExtent(
  plainBytes: number,
  fingerprints: BigUint64Array,
  options: { readonly prior: PriorExtent; readonly ofZeros: bigint },
): ExtentChoice {
  const { prior, ofZeros } = options;
  const pages: number[] = [];
  let deltaBytes = 0;
  for (let page = 0; page < fingerprints.length; page += 1) {
    if (equalsBase(page, fingerprints[page], { prior, plainBytes, ofZeros })) continue;
    pages.push(page);
    deltaBytes += pageLength(plainBytes, page);
  }
  const own = BigUint64Array.from(pages, (page) => fingerprints[page] ?? 0n);
  if (isSame(prior, plainBytes, pages, own)) return { kind: "reuse", extent: prior.extent };
  if (pages.length === 0) return { kind: "reuse", extent: { kind: "whole", plainBytes, blob: prior.base } };
  if (isTooLarge(deltaBytes, plainBytes)) return { kind: "whole" };
  return { kind: "delta", pages, fingerprints: own };
}

/** Whether a page is what the base, cut or followed by zeros, holds there. */
export function equalsBase(
  page: number,
  fingerprint: bigint | undefined,
  {
    prior,
    plainBytes,
    ofZeros,
  }: { readonly prior: PriorExtent; readonly plainBytes: number; readonly ofZeros: bigint },
): boolean {
  const baseLength = Math.max(0, pageLength(prior.base.plainBytes, page));
  const length = pageLength(plainBytes, page);
  if (baseLength === 0) return length === pageBytes && fingerprint === ofZeros;
  return baseLength === length && fingerprint === prior.baseFingerprints[page];
}

export function isTooLarge(deltaBytes: number, plainBytes: number): boolean {
  return deltaBytes > plainBytes * largestDeltaShare;
}

function isSame(
  { extent, isReusable }: PriorExtent,
  plainBytes: number,
  pages: readonly number[],
  fingerprints: BigUint64Array,
): boolean {
  if (!isReusable || extent.plainBytes !== plainBytes) return false;
  if (extent.kind === "whole") return pages.length === 0;
  return (
    extent.pages.length === pages.length &&
    pages.every((page, index) => extent.pages[index] === page && extent.fingerprints[index] === fingerprints[index])
  );
}

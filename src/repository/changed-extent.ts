import { equalsBase, isTooLarge, type PageFingerprints, type PriorExtent } from "./changed-pages.ts";
import type { ExtentReader } from "./extent-reader.ts";
import { type Extent, pageBytes, pageLength, partsOf } from "./file-map.ts";

/** Pages of one extent that a server sent since they have changed; all others are as they were. */
export interface ChangedPages {
  /** In the extent, ascending. */
  readonly pages: readonly number[];
  /** The pages, one after the other. */
  readonly content: Buffer;
}

/** What an extent that changed in part is to be stored as. */
export type ChangedExtent =
  | { readonly kind: "reuse"; readonly extent: Extent }
  | {
      readonly kind: "delta";
      readonly prior: PriorExtent;
      readonly pages: readonly number[];
      readonly fingerprints: BigUint64Array;
      /** The pages, in order. */
      readonly parts: readonly Buffer[];
    }
  /** Its whole content. */
  | { readonly kind: "whole"; readonly content: Buffer };

export interface ExtentChange extends ChangedPages {
  readonly reader: Pick<ExtentReader, "content" | "deltaPages">;
  /** As it was; undefined for one that the file has grown by. */
  readonly extent: Extent | undefined;
  /** Undefined when the new backup may not build on it. */
  readonly prior: PriorExtent | undefined;
  /** Length that it has now. */
  readonly plainBytes: number;
  readonly fingerprints: PageFingerprints;
}

/**
 * Lays changed pages over an extent of the previous backup, or of the one that is being written. The delta holds all
 * pages that differ from the base: those of the previous delta that did not change again are taken from the store. A
 * page beyond what the file had, and that was not sent, is zeros.
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED when what was there cannot be read
 */
export async function mergeExtent(change: ExtentChange): Promise<ChangedExtent> {
  const { extent, prior, plainBytes, pages } = change;
  if (!extent || !prior || pages.length === partsOf(plainBytes, pageBytes)) return await wholeExtent(change);
  const changed = await deltaPages(change, prior);
  const deltaBytes = changed.reduce((sum, { content }) => sum + content.length, 0);
  if (changed.length === 0) return { kind: "reuse", extent: { kind: "whole", plainBytes, blob: prior.base } };
  if (isUnchanged(change, changed)) return { kind: "reuse", extent };
  if (isTooLarge(deltaBytes, plainBytes)) return await wholeExtent(change);
  return {
    kind: "delta",
    prior,
    pages: changed.map(({ page }) => page),
    fingerprints: BigUint64Array.from(changed, ({ fingerprint }) => fingerprint),
    parts: changed.map(({ content }) => content),
  };
}

interface DeltaPage {
  readonly page: number;
  readonly fingerprint: bigint;
  readonly content: Buffer;
}

/** All pages that differ from the base, ascending. */
async function deltaPages(change: ExtentChange, prior: PriorExtent): Promise<readonly DeltaPage[]> {
  const { plainBytes, fingerprints, content, pages } = change;
  const found = new Map<number, DeltaPage>();
  for (const page of await earlierDelta(change, prior)) found.set(page.page, page);
  // Where the file was cut and grew again, the base holds what was there before.
  const cutAt = partsOf(prior.extent.plainBytes, pageBytes);
  for (let page = cutAt; page < partsOf(plainBytes, pageBytes); page += 1) {
    const zeros = Buffer.alloc(pageLength(plainBytes, page));
    found.set(page, { page, fingerprint: fingerprints.ofPage(zeros), content: zeros });
  }
  for (const [index, page] of pages.entries()) {
    const bytes = content.subarray(index * pageBytes, index * pageBytes + pageLength(plainBytes, page));
    found.set(page, { page, fingerprint: fingerprints.ofPage(bytes), content: bytes });
  }
  const compared = { prior, plainBytes, ofZeros: fingerprints.ofZeros };
  return [...found.values()]
    .filter(({ page, fingerprint }) => !equalsBase(page, fingerprint, compared))
    .sort((a, b) => a.page - b.page);
}

async function earlierDelta({ reader, pages, plainBytes }: ExtentChange, prior: PriorExtent): Promise<DeltaPage[]> {
  const { extent } = prior;
  if (extent.kind !== "delta") return [];
  const isSentAgain = new Set(pages);
  const isNeeded = (page: number) => !isSentAgain.has(page) && page < partsOf(plainBytes, pageBytes);
  if (!extent.pages.some(isNeeded)) return [];
  const content = await reader.deltaPages(extent);
  return extent.pages.flatMap((page, index) => {
    if (!isNeeded(page)) return [];
    const bytes = content.subarray(index * pageBytes, index * pageBytes + pageLength(extent.plainBytes, page));
    return [{ page, fingerprint: extent.fingerprints[index] ?? 0n, content: bytes }];
  });
}

function isUnchanged({ extent, prior, plainBytes }: ExtentChange, changed: readonly DeltaPage[]): boolean {
  if (extent?.kind !== "delta" || !prior?.isReusable || extent.plainBytes !== plainBytes) return false;
  return (
    extent.pages.length === changed.length &&
    changed.every(
      ({ page, fingerprint }, index) => extent.pages[index] === page && extent.fingerprints[index] === fingerprint,
    )
  );
}

async function wholeExtent({ reader, extent, plainBytes, pages, content }: ExtentChange): Promise<ChangedExtent> {
  const whole = Buffer.alloc(plainBytes);
  const isAllNew = pages.length === partsOf(plainBytes, pageBytes);
  if (extent && !isAllNew) (await reader.content(extent)).copy(whole, 0, 0, plainBytes);
  for (const [index, page] of pages.entries()) {
    content.copy(whole, page * pageBytes, index * pageBytes, index * pageBytes + pageLength(plainBytes, page));
  }
  return { kind: "whole", content: whole };
}

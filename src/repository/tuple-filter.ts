import { extentBytes, pageBytes } from "./file-map.ts";
import { DifferenceMemory } from "./subtract-before.ts";

const wordBytes = 4;
const pageWords = pageBytes / wordBytes;
/** A page's header stays as it is: by it the others are recognised. */
const headerWords = 8;
/** Where a page's header has the upper byte of the page's size. */
const sizeByteAt = 19;
/** Longer tuples are rare, and few of them lie in a page. */
const maxStride = 255;
const fewestTuples = 8;
/** Numbers that differ by less look alike once one was taken from the other. */
const smallDifference = 1 << 16;

/**
 * Prepares PostgreSQL's pages for compression. Where all tuples of a page have one length, as in most indexes and in
 * tables of numbers and times, each 32-bit word becomes its difference from the word that lies one tuple before it.
 * What counts up, or stays, is then the same small number in every tuple. Layout in docs/repository-format.md, "Packs".
 */
export class TupleFilter {
  readonly #memory = new DifferenceMemory();
  readonly #bytes = this.#memory.bytes;
  readonly #words = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, extentBytes / wordBytes);

  /**
   * @param plain pages, one after the other, a MiB at most
   * @returns the filtered pages and their strides, until the next call; undefined when no page is fit for it
   */
  apply(plain: Uint8Array): Buffer | undefined {
    if (!hasPages(plain)) return undefined;
    const pages = Math.floor(plain.length / pageBytes);
    // From memory that threads share, `fill` is several times as fast as `set` and `copy`.
    this.#bytes.fill(plain, 0, plain.length);
    let isFiltered = false;
    for (let page = 0; page < pages; page += 1) {
      const stride = strideOf(this.#words, page * pageWords);
      this.#bytes[plain.length + page] = stride;
      if (stride === 0) continue;
      isFiltered = true;
      const first = page * pageWords + Math.max(headerWords, stride);
      this.#memory.subtractBefore({ first, end: (page + 1) * pageWords, distance: stride });
    }
    return isFiltered ? this.#bytes.subarray(0, plain.length + pages) : undefined;
  }
}

/** Whether any page claims to be one of PostgreSQL's size: MySQL's are not copied for a closer look. */
function hasPages(plain: Uint8Array): boolean {
  for (let at = sizeByteAt; at < plain.length; at += pageBytes) if (plain[at] === pageBytes >> 8) return true;
  return false;
}

/** Bytes that a filtered blob has for its pages' strides. */
export function strideBytes(plainBytes: number): number {
  return Math.floor(plainBytes / pageBytes);
}

/** Makes of filtered pages what they were, in place. @param filtered what `apply` returned; begins at a full word */
export function undoTupleFilter(filtered: Buffer, plainBytes: number): Buffer {
  const pages = strideBytes(plainBytes);
  const words = new Int32Array(filtered.buffer, filtered.byteOffset, pages * pageWords);
  for (let page = 0; page < pages; page += 1) {
    const stride = filtered[plainBytes + page] ?? 0;
    if (stride > 0) addBefore(words, page * pageWords, stride);
  }
  return filtered.subarray(0, plainBytes);
}

/**
 * Words from one tuple of a page to the next; 0 when it is not to be filtered. A guess from a few places: a wrong one
 * costs room, and nothing else.
 */
function strideOf(words: Int32Array, page: number): number {
  const bounds = word(words, page + 3);
  const layout = word(words, page + 4);
  const [lower, upper, special] = [bounds & 0xffff, bounds >>> 16, layout & 0xffff];
  const isPage = ((layout >>> 16) & 0xff00) === pageBytes && lower <= upper && upper <= special && special <= pageBytes;
  const tuples = (lower - 24) >> 2;
  if (!isPage || tuples < fewestTuples) return 0;
  const lengthAt = (tuple: number) => word(words, page + 6 + tuple) >>> 17;
  const length = lengthAt(tuples >> 1);
  if (length !== lengthAt(tuples >> 2) || length !== lengthAt(tuples - 1 - (tuples >> 2))) return 0;
  const stride = ((length + 7) & ~7) / wordBytes;
  const [first, last] = [Math.ceil(upper / wordBytes), special >> 2];
  if (stride === 0 || stride > maxStride || last - first < fewestTuples * stride) return 0;
  const alike =
    smallDifferences(words, page + ((first + last) >> 1), stride) +
    smallDifferences(words, page + last - 2 * stride, stride);
  return alike * 4 >= 2 * 2 * stride * 3 ? stride : 0;
}

/** Of the words of two tuples, how many are nearly the same as in the tuple before. */
function smallDifferences(words: Int32Array, from: number, stride: number): number {
  let count = 0;
  for (let at = from; at < from + 2 * stride; at += 1) {
    const difference = (word(words, at) - word(words, at - stride)) | 0;
    if (difference > -smallDifference && difference < smallDifference) count += 1;
  }
  return count;
}

function addBefore(words: Int32Array, page: number, stride: number): void {
  const end = page + pageWords;
  for (let at = page + Math.max(headerWords, stride); at < end; at += 1) {
    words[at] = word(words, at) + word(words, at - stride);
  }
}

/** Within bounds, always: an array's type does not say so. */
function word(words: Int32Array, at: number): number {
  return words[at] ?? 0;
}

/**
 * Writes ASN.1 in DER, as far as certificates need it.
 * @see https://www.itu.int/rec/T-REC-X.690
 */

const universal = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element of a given tag byte. */
export function derElement(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), derLength(body.length), body]);
}

export const derSequence = (...elements: readonly Uint8Array[]) => derElement(universal.sequence, ...elements);
export const derSet = (...elements: readonly Uint8Array[]) => derElement(universal.set, ...elements);
export const derOctetString = (bytes: Uint8Array) => derElement(universal.octetString, bytes);
export const derUtf8String = (text: string) => derElement(universal.utf8String, Buffer.from(text, "utf8"));
export const derTrue = () => derElement(universal.boolean, Buffer.from([0xff]));

/** @param bytes a number that is not negative, big-endian */
export function derInteger(bytes: Uint8Array): Buffer {
  const firstUsed = bytes.findIndex((byte) => byte !== 0);
  const digits = firstUsed < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(firstUsed));
  const needsSign = (digits[0] ?? 0) >= 0x80; // else it would be read as negative
  return derElement(universal.integer, needsSign ? Buffer.from([0]) : Buffer.alloc(0), digits);
}

/** @param unusedBits how many of the last byte's lowest bits do not belong to the string */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return derElement(universal.bitString, Buffer.from([unusedBits]), bytes);
}

/** @param dotted such as `2.5.29.17` */
export function derObjectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return derElement(universal.objectIdentifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** A moment, to the second; in the form that RFC 5280, section 4.1.2.5, prescribes for its year. */
export function derTime(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, ""); // 20260301100000Z
  return at.getUTCFullYear() < 2050
    ? derElement(universal.utcTime, Buffer.from(digits.slice(2)))
    : derElement(universal.generalizedTime, Buffer.from(digits));
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([0x80 | digits.length]), digits]);
}

/** Seven bits to a byte, all but the last with the highest bit set. */
function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

import type { BlobRole } from "./blob.ts";

const magic = Buffer.from("BTARPACK");
const version = 1;
const headerBytes = 40;
const entryBytes = 40;
const footerBytes = 24;
const roles: readonly BlobRole[] = ["extent", "delta", "file-map", "fingerprints", "index"];

/** What a pack's index says of a blob. */
export interface PackEntry {
  readonly role: BlobRole;
  readonly offset: number;
  readonly sealedBytes: number;
  readonly plainBytes: number;
  readonly sequence: number;
}

/** Layout in docs/repository-format.md, "Packs". @param keyId 16 hex digits */
export function encodePackHeader(keyId: string, session: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header, 0);
  header.writeUInt32LE(version, 8);
  header.write(keyId, 16, "hex");
  header.set(session, 24);
  return header;
}

/** @throws Error saying what is wrong */
export function decodePackHeader(pack: Buffer): { readonly keyId: string; readonly session: Buffer } {
  if (pack.length < headerBytes + footerBytes) throw new Error("it is cut short");
  if (!pack.subarray(0, magic.length).equals(magic)) throw new Error("it does not begin like a pack");
  if (pack.readUInt32LE(8) !== version) throw new Error(`it is of format version ${pack.readUInt32LE(8)}`);
  return { keyId: pack.toString("hex", 16, 24), session: Buffer.from(pack.subarray(24, headerBytes)) };
}

export function encodePackIndex(entries: readonly PackEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * entryBytes);
  for (const [index, entry] of entries.entries()) {
    const at = index * entryBytes;
    bytes.writeUInt8(roles.indexOf(entry.role), at);
    bytes.writeUInt32LE(entry.offset, at + 8);
    bytes.writeUInt32LE(entry.sealedBytes, at + 12);
    bytes.writeUInt32LE(entry.plainBytes, at + 16);
    bytes.writeBigUInt64LE(BigInt(entry.sequence), at + 24);
  }
  return bytes;
}

/** @throws Error saying what is wrong */
export function decodePackIndex(bytes: Buffer): readonly PackEntry[] {
  if (bytes.length % entryBytes !== 0) throw new Error(`its index has ${bytes.length} bytes`);
  return Array.from({ length: bytes.length / entryBytes }, (_, index) => {
    const at = index * entryBytes;
    const role = roles[bytes.readUInt8(at)];
    if (!role) throw new Error(`its index names a blob of kind ${bytes.readUInt8(at)}`);
    return {
      role,
      offset: bytes.readUInt32LE(at + 8),
      sealedBytes: bytes.readUInt32LE(at + 12),
      plainBytes: bytes.readUInt32LE(at + 16),
      sequence: Number(bytes.readBigUInt64LE(at + 24)),
    };
  });
}

export function encodePackFooter(index: Pick<PackEntry, "sealedBytes" | "plainBytes" | "sequence">): Buffer {
  const footer = Buffer.alloc(footerBytes);
  footer.writeUInt32LE(index.sealedBytes, 0);
  footer.writeUInt32LE(index.plainBytes, 4);
  footer.writeBigUInt64LE(BigInt(index.sequence), 8);
  magic.copy(footer, 16);
  return footer;
}

/** Where the index is. @throws Error saying what is wrong */
export function decodePackFooter(pack: Buffer): PackEntry {
  const at = pack.length - footerBytes;
  if (!pack.subarray(at + 16).equals(magic)) throw new Error("it does not end like a pack");
  const sealedBytes = pack.readUInt32LE(at);
  const offset = at - sealedBytes;
  if (offset < headerBytes) throw new Error("its index does not fit in it");
  const plainBytes = pack.readUInt32LE(at + 4);
  return { role: "index", offset, sealedBytes, plainBytes, sequence: Number(pack.readBigUInt64LE(at + 8)) };
}

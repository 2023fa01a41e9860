import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import net from "node:net";
import {
  derBitString,
  derElement,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derSet,
  derTime,
  derTrue,
  derUtf8String,
} from "./der.ts";

/** A certificate and the key that belongs to it, both PEM; the key is PKCS #8. */
export interface KeyAndCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

const authorityDays = 10 * 365;
const dayMs = 24 * 60 * 60 * 1000;

const oid = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/**
 * Makes a certificate authority of one's own: EC P-256, ten years, may sign servers but no further authorities.
 * @param name its common name, such as `demo project CA`
 */
export function createAuthority(name: string): KeyAndCertificate {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [
    extension(oid.basicConstraints, derSequence(derTrue(), derInteger(Buffer.from([0]))), { isCritical: true }),
    // Bits 5 and 6: certificate and revocation list signing (RFC 5280, section 4.2.1.3).
    extension(oid.keyUsage, derBitString(Buffer.from([0b0000_0110]), 1), { isCritical: true }),
    extension(oid.subjectKeyIdentifier, derOctetString(keyIdentifier(keys.publicKey))),
  ];
  const names = { subject: name, issuer: name };
  const certificate = signed({ ...names, publicKey: keys.publicKey, days: authorityDays, extensions }, keys.privateKey);
  return { certificate, privateKey: pemOf(keys.privateKey) };
}

/**
 * Makes a server certificate (EC P-256) that an authority of `createAuthority` vouches for.
 * @param request.hosts DNS names and IP addresses that clients may connect by
 * @param request.days how long it is valid; it begins a day ago, so that clocks may differ
 */
export function issueCertificate(
  authority: KeyAndCertificate,
  request: { readonly commonName: string; readonly hosts: readonly string[]; readonly days: number },
): KeyAndCertificate {
  const issuer = new X509Certificate(authority.certificate);
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [
    extension(oid.basicConstraints, derSequence(), { isCritical: true }),
    // Bit 0: digital signature, all that TLS needs of an EC key.
    extension(oid.keyUsage, derBitString(Buffer.from([0b1000_0000]), 7), { isCritical: true }),
    extension(oid.extendedKeyUsage, derSequence(derObjectIdentifier(oid.serverAuth))),
    extension(oid.subjectAltName, derSequence(...request.hosts.map(generalName))),
    extension(oid.subjectKeyIdentifier, derOctetString(keyIdentifier(keys.publicKey))),
    extension(oid.authorityKeyIdentifier, derSequence(derElement(0x80, keyIdentifier(issuer.publicKey)))),
  ];
  const names = { subject: request.commonName, issuer: commonNameOf(issuer) };
  const body = { ...names, publicKey: keys.publicKey, days: request.days, extensions };
  return {
    certificate: signed(body, createPrivateKey(authority.privateKey)),
    privateKey: pemOf(keys.privateKey),
  };
}

interface CertificateBody {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly days: number;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280, section 4.1: the body, how it is signed, and the signature. */
function signed(body: CertificateBody, key: KeyObject): string {
  const now = Date.now();
  const algorithm = derSequence(derObjectIdentifier(oid.ecdsaWithSha256));
  const toBeSigned = derSequence(
    derElement(0xa0, derInteger(Buffer.from([2]))), // version 3
    derInteger(randomBytes(16)), // serial number
    algorithm,
    distinguishedName(body.issuer),
    derSequence(derTime(new Date(now - dayMs)), derTime(new Date(now + body.days * dayMs))),
    distinguishedName(body.subject),
    publicKeyInfo(body.publicKey),
    derElement(0xa3, derSequence(...body.extensions)),
  );
  const certificate = derSequence(toBeSigned, algorithm, derBitString(sign("sha256", toBeSigned, key)));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

function distinguishedName(commonName: string): Buffer {
  return derSequence(derSet(derSequence(derObjectIdentifier(oid.commonName), derUtf8String(commonName))));
}

function extension(id: string, value: Uint8Array, { isCritical } = { isCritical: false }): Buffer {
  const critical = isCritical ? [derTrue()] : [];
  return derSequence(derObjectIdentifier(id), ...critical, derOctetString(value));
}

/** Tags of RFC 5280, section 4.2.1.6: 2 is a DNS name, 7 an IP address. */
function generalName(host: string): Buffer {
  return net.isIP(host) === 0 ? derElement(0x82, Buffer.from(host, "ascii")) : derElement(0x87, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // The parser of URLs writes every IPv6 address in its one canonical form: no dotted part, at most one `::`.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const last = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - groups(head).length - last.length }, () => "0");
  const bytes = Buffer.alloc(16);
  [...groups(head), ...zeros, ...last].forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  return bytes;
}

function publicKeyInfo(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** 160 bits of a hash of the key (RFC 7093, section 2, method 4). */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash("sha256").update(publicKeyInfo(key)).digest().subarray(0, 20);
}

function commonNameOf(certificate: X509Certificate): string {
  return String(certificate.toLegacyObject().subject.CN);
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { bitString, der, objectId, octets, positive, sequence, setOf, TRUE, time, utf8 } from './der.ts';

/** What a certificate says, and the key that vouches for it. */
export interface CertificateRequest {
  /** Common name of the holder. */
  readonly subject: string;
  /** Common name of the authority that signs; for an authority's own certificate, its subject. */
  readonly issuer: string;
  /** Key of the holder, a P-256 key. */
  readonly key: KeyObject;
  /** Key of the authority, a P-256 key. */
  readonly signer: KeyObject;
  readonly from: Date;
  readonly until: Date;
  /** Host names and addresses that the holder serves; none: the certificate is an authority's. */
  readonly names: readonly string[];
}

const ECDSA_WITH_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));
const nameOf = (text: string): Buffer => sequence(setOf(sequence(objectId('2.5.4.3'), utf8(text))));
const publicKeyOf = (key: KeyObject): Buffer =>
  createPublicKey(key.type === 'private' ? key.export({ type: 'pkcs8', format: 'pem' }) : key).export({
    type: 'spki',
    format: 'der',
  });

/** Identifier of a key: the first 20 bytes of the sha256 of its public half (RFC 7093). */
const keyId = (key: KeyObject): Buffer =>
  createHash('sha256').update(publicKeyOf(key)).digest().subarray(0, 20);

/** An X.509 certificate (RFC 5280) in PEM, signed with ECDSA and SHA-256. */
export function makeCertificate(request: CertificateRequest): string {
  const { subject, issuer, key, signer, from, until, names } = request;
  const body = sequence(
    der(0xa0, positive(Buffer.from([2]))),
    positive(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(time(from), time(until)),
    nameOf(subject),
    publicKeyOf(key),
    der(0xa3, sequence(...extensions(names, key, signer))),
  );
  const signed = sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, signer)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extensions(names: readonly string[], key: KeyObject, signer: KeyObject): Buffer[] {
  const extension = (id: string, value: Buffer, critical = false): Buffer =>
    sequence(objectId(id), ...(critical ? [TRUE] : []), octets(value));
  const subjectKey = extension('2.5.29.14', octets(keyId(key)));
  const authorityKey = extension('2.5.29.35', sequence(der(0x80, keyId(signer))));
  if (names.length === 0)
    return [
      extension('2.5.29.19', sequence(TRUE), true),
      // keyCertSign and cRLSign.
      extension('2.5.29.15', bitString(Buffer.from([0x06]), 1), true),
      subjectKey,
      authorityKey,
    ];
  return [
    extension('2.5.29.19', sequence(), true),
    // digitalSignature.
    extension('2.5.29.15', bitString(Buffer.from([0x80]), 7), true),
    extension('2.5.29.37', sequence(objectId('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', sequence(...names.map(alternativeName))),
    subjectKey,
    authorityKey,
  ];
}

function alternativeName(name: string): Buffer {
  if (isIPv4(name)) return der(0x87, Buffer.from(name.split('.').map(Number)));
  if (isIPv6(name)) return der(0x87, ipv6Bytes(name));
  return der(0x82, Buffer.from(name, 'ascii'));
}

/** The 16 bytes of an IPv6 address, whose `::` stands for as many zeros as are missing. */
function ipv6Bytes(address: string): Buffer {
  // URL writes every IPv6 address in hexadecimal groups, also one that ends in an IPv4 address.
  const text = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}

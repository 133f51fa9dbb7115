import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { replaceFile } from '../store/durable.ts';
import { makeCertificate } from './certificate.ts';

/** Certificate and key in PEM, for a server of TLS. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** Subject of the authority that a Hub makes for itself. */
const AUTHORITY = 'Plein Air Hub authority';
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const SERVER_DAYS = 397;

/** What clients of a Hub with an authority of its own have to trust, as files. */
export interface TrustFiles {
  /** The authority's certificate alone, for clients that add to what they trust (`NODE_EXTRA_CA_CERTS`). */
  readonly authority: string;
  /** The same with the authorities of the web, for clients that trust one file (`SSL_CERT_FILE`). */
  readonly bundle: string;
}

/** Where those files are in a Hub's folder. */
export function trustFiles(root: string): TrustFiles {
  return { authority: join(root, 'tls', 'ca.pem'), bundle: join(root, 'tls', 'bundle.pem') };
}

/**
 * A certificate for this start, for every name and address of this machine, signed by an authority that is made once and
 * stays in the Hub's folder: clients trust its `tls/ca.pem` and need no new file when names change.
 */
export async function selfSigned(root: string, host: string): Promise<TlsIdentity> {
  const authority = await openAuthority(root);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const cert = makeCertificate({
    subject: 'Plein Air Hub',
    issuer: AUTHORITY,
    key: privateKey,
    signer: createPrivateKey(authority.key),
    from: new Date(now - DAY_MS),
    until: new Date(now + SERVER_DAYS * DAY_MS),
    names: namesOf(host),
  });
  return {
    cert: `${cert}${authority.cert}`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** The authority in a Hub's folder; made where there is none, or where it is damaged or near its end. */
export async function openAuthority(root: string): Promise<TlsIdentity> {
  const keyFile = join(root, 'tls-authority.key');
  for (const folder of ['tmp', 'tls']) await mkdir(join(root, folder), { recursive: true });
  const [cert, key] = await Promise.all(
    [trustFiles(root).authority, keyFile].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  if (cert && key && isGood(cert, key)) return writeBundle(root, { cert, key });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const fresh = {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: makeCertificate({
      subject: AUTHORITY,
      issuer: AUTHORITY,
      key: privateKey,
      signer: privateKey,
      from: new Date(now - DAY_MS),
      until: new Date(now + AUTHORITY_DAYS * DAY_MS),
      names: [],
    }),
  };
  await replaceFile(root, keyFile, fresh.key, 0o600);
  await replaceFile(root, trustFiles(root).authority, fresh.cert, 0o644);
  return writeBundle(root, fresh);
}

async function writeBundle(root: string, authority: TlsIdentity): Promise<TlsIdentity> {
  await replaceFile(
    root,
    trustFiles(root).bundle,
    `${authority.cert}${rootCertificates.join('\n')}\n`,
    0o644,
  );
  return authority;
}

/** Whether a stored authority may still sign: the pair belongs together and has more than a server's life left. */
function isGood(cert: string, key: string): boolean {
  try {
    const parsed = new X509Certificate(cert);
    const left = Date.parse(parsed.validTo) - Date.now();
    return parsed.checkPrivateKey(createPrivateKey(key)) && left > SERVER_DAYS * DAY_MS;
  } catch {
    return false;
  }
}

function namesOf(host: string): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address.replace(/%.*$/, '')),
  );
  const bare = host.replace(/^\[|\]$/g, '');
  const names = ['localhost', '127.0.0.1', '::1', hostname(), ...addresses, bare];
  return [...new Set(names)].filter((name) => name !== '' && name !== '0.0.0.0' && name !== '::');
}

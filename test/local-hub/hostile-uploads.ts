import type { HostileRequest } from './hostile-requests.ts';
import type { Random } from './random.ts';

/** Addresses that a Hub really gave out: what is sent there gets past the door, to the parsers behind it. */
export interface UploadAddresses {
  readonly xetPath: string;
  readonly xetToken: string;
  readonly lfsPaths: readonly { method: 'PUT' | 'POST'; path: string }[];
}

const HASHES = ['1', '2', '3'].map((digit) => digit.repeat(64));
const RECORD = 48;

/** Asks a Hub for addresses to upload to. */
export async function askForUploads(url: string, token: string): Promise<UploadAddresses> {
  const headers = { Authorization: `Bearer ${token}` };
  const xet = (await (
    await fetch(`${url}/api/models/painter/target/xet-write-token/main`, { headers })
  ).json()) as { casUrl: string; accessToken: string };
  const objects = [
    { oid: 'c'.repeat(64), size: 1000 },
    { oid: 'd'.repeat(64), size: 200_000_000 },
  ];
  const body = JSON.stringify({ operation: 'upload', transfers: ['basic', 'multipart'], objects });
  const batch = await fetch(`${url}/painter/target.git/info/lfs/objects/batch`, {
    method: 'POST',
    headers,
    body,
  });
  type Upload = { href: string; header?: Record<string, string> };
  const answer = (await batch.json()) as { objects: { actions: { upload: Upload } }[] };
  const path = (address: string | undefined): string => new URL(address ?? '').pathname;
  const [small, large] = answer.objects.map(({ actions }) => actions.upload);
  return {
    xetPath: path(xet.casUrl),
    xetToken: xet.accessToken,
    lfsPaths: [
      { method: 'PUT', path: path(small?.href) },
      { method: 'PUT', path: path(large?.header?.['1']) },
      { method: 'POST', path: path(large?.href) },
    ],
  };
}

/** A xorb whose headers are nearly right: any scheme, sizes that lie now and then, frames that break off. */
function almostXorb(random: Random): Buffer {
  const chunks = Array.from({ length: 1 + random.int(4) }, () => {
    const frame = Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18, random.pick([0x60, 0x40, 0x68]), 0x40, 0xc0]),
      random.bytes(random.int(200)),
      Buffer.alloc(random.int(5)),
    ]);
    const header = Buffer.alloc(8);
    header.writeUIntLE(random.int(8) === 0 ? random.int(0xffffff) : frame.length, 1, 3);
    header.writeUInt8(random.int(4), 4);
    header.writeUIntLE(random.pick([0, 1, 100, 65_536, 0xffffff]), 5, 3);
    return Buffer.concat([header, frame]);
  });
  return Buffer.concat(chunks);
}

/** A shard that is whole but for some bytes, over xorbs that may or may not be there. */
function almostShard(random: Random): Buffer {
  const record = (write: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.alloc(RECORD);
    write(bytes);
    return bytes;
  };
  const segments = Array.from({ length: random.int(4) }, () =>
    record((bytes) => {
      bytes.fill(Buffer.from(random.pick(HASHES), 'hex'), 0, 32);
      bytes.writeUInt32LE(random.int(5), 40);
      bytes.writeUInt32LE(random.pick([0, 1, 2, 5, 0xffffffff]), 44);
    }),
  );
  const head = record((bytes) => {
    bytes.writeUInt32LE(random.pick([0x40000000, 0xc0000000, 0]), 32);
    bytes.writeUInt32LE(random.int(5) === 0 ? random.int(0xffffff) : segments.length, 36);
  });
  const shard = Buffer.concat([
    Buffer.alloc(RECORD),
    head,
    ...segments,
    record((bytes) => bytes.fill(9, 0, 32)),
    Buffer.alloc(RECORD, 0xff),
  ]);
  for (let n = random.int(4); n > 0; n -= 1) shard[random.int(shard.length)] = random.int(256);
  return random.int(4) === 0 ? shard.subarray(0, random.int(shard.length)) : shard;
}

/** Draws an upload: the right address and token, and bytes that are not what they should be. */
export function hostileUpload(random: Random, addresses: UploadAddresses): HostileRequest {
  if (random.int(3) === 0) {
    const { method, path } = random.pick(addresses.lfsPaths);
    return { method, path, headers: {}, body: random.bytes(random.pick([0, 10, 1000, 5000])) };
  }
  const xorb = random.int(2) === 0;
  const [verb, body] = xorb
    ? [`v1/xorbs/default/${random.pick(HASHES)}`, almostXorb(random)]
    : [`v1/shards`, almostShard(random)];
  return {
    method: 'POST',
    path: `${addresses.xetPath}/${verb}`,
    headers: { Authorization: `Bearer ${addresses.xetToken}` },
    body: random.int(6) === 0 ? random.bytes(random.int(3000)) : body,
  };
}

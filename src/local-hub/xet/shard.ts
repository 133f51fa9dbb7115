const RECORD = 48;
const WITH_VERIFICATION = 0x80000000;
const WITH_METADATA = 0x40000000;

/** A run of chunks of one xorb: the pieces of a file, in order. */
export interface ShardSegment {
  readonly xorb: string;
  readonly bytes: number;
  readonly firstChunk: number;
  readonly endChunk: number;
}

/** How a file is put together, and the sha256 its bytes must have. */
export interface ShardFile {
  readonly sha256: string;
  readonly segments: readonly ShardSegment[];
}

/** A hash is four little-endian 64-bit numbers: its hexadecimal form reverses each group of eight bytes. */
function hashAt(shard: Buffer, at: number): string {
  let text = '';
  for (let group = 0; group < 4; group += 1) {
    const start = at + group * 8;
    text += Buffer.from(shard.subarray(start, start + 8))
      .reverse()
      .toString('hex');
  }
  return text;
}

/** Reads the file section of a shard, which starts after its 48-byte header. */
export function parseShard(shard: Buffer): ShardFile[] {
  const files: ShardFile[] = [];
  let at = RECORD;
  const need = (records: number): void => {
    if (at + records * RECORD > shard.length)
      throw new Error('Expected a whole shard, its file section is cut off');
  };
  for (;;) {
    need(1);
    if (shard.subarray(at, at + 32).every((byte) => byte === 0xff)) return files;
    const flags = shard.readUInt32LE(at + 32);
    const count = shard.readUInt32LE(at + 36);
    at += RECORD;
    need(count);
    const segments: ShardSegment[] = [];
    for (let index = 0; index < count; index += 1, at += RECORD) {
      segments.push({
        xorb: hashAt(shard, at),
        bytes: shard.readUInt32LE(at + 36),
        firstChunk: shard.readUInt32LE(at + 40),
        endChunk: shard.readUInt32LE(at + 44),
      });
    }
    if (flags & WITH_VERIFICATION) {
      need(count);
      at += count * RECORD;
    }
    if (!(flags & WITH_METADATA))
      throw new Error('Expected the sha256 of every file in the shard, one has none');
    need(1);
    files.push({ sha256: hashAt(shard, at), segments });
    at += RECORD;
  }
}

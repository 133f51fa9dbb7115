const MAGIC = 0x184d2204;

/** Decodes one LZ4 frame into exactly `size` bytes; throws where the frame is damaged or says otherwise. */
export function decodeLz4Frame(frame: Buffer, size: number): Buffer {
  const output = Buffer.allocUnsafe(size);
  if (frame.length < 7 || frame.readUInt32LE(0) !== MAGIC) throw new Error('Expected an LZ4 frame');
  const flags = frame.readUInt8(4);
  let at = 6 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1;
  let written = 0;
  for (;;) {
    const header = frame.readUInt32LE(at);
    at += 4;
    if (header === 0) break;
    const length = header & 0x7fffffff;
    if (at + length > frame.length) throw new Error('Expected a whole LZ4 block, the frame ends inside it');
    if (header & 0x80000000) {
      if (written + length > size) throw new Error(`Expected ${size} bytes from the LZ4 frame, got more`);
      frame.copy(output, written, at, at + length);
      written += length;
    } else {
      written = decodeBlock(frame.subarray(at, at + length), output, written);
    }
    at += length + (flags & 0x10 ? 4 : 0);
  }
  if (written !== size) throw new Error(`Expected ${size} bytes from the LZ4 frame, got ${written}`);
  return output;
}

/** Decodes one block after what `output` holds already (later blocks may refer back to earlier ones). */
function decodeBlock(block: Buffer, output: Buffer, start: number): number {
  const end = block.length;
  const room = output.length;
  let from = 0;
  let to = start;
  const damaged = (): Error => new Error('Expected a sound LZ4 block, got one that runs over its bounds');
  while (from < end) {
    const token = block[from++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= end) throw damaged();
        more = block[from++] ?? 0;
        literals += more;
      }
    }
    if (from + literals > end || to + literals > room) throw damaged();
    block.copy(output, to, from, from + literals);
    from += literals;
    to += literals;
    if (from >= end) break;
    if (from + 2 > end) throw damaged();
    const offset = (block[from] ?? 0) | ((block[from + 1] ?? 0) << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= end) throw damaged();
        more = block[from++] ?? 0;
        length += more;
      }
    }
    length += 4;
    const source = to - offset;
    if (offset === 0 || source < 0 || to + length > room) throw damaged();
    if (offset >= length) output.copyWithin(to, source, source + length);
    else for (let index = 0; index < length; index += 1) output[to + index] = output[source + index] ?? 0;
    to += length;
  }
  return to;
}

/** Undoes byte grouping: four planes (every fourth byte) laid one after another become the bytes again. */
export function ungroupBytes(grouped: Buffer): Buffer {
  const size = grouped.length;
  const output = Buffer.allocUnsafe(size);
  let from = 0;
  for (let plane = 0; plane < 4; plane += 1) {
    for (let to = plane; to < size; to += 4) output[to] = grouped[from++] ?? 0;
  }
  return output;
}

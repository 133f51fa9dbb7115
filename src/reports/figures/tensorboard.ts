import protobuf from 'protobufjs/minimal.js';
import type { MetricLine } from '../../domain/training/metric-log.ts';

/** Field and wire type of TensorFlow's `Event` and `Summary` messages, as their .proto files number them. */
const TAG = {
  wallTime: (1 << 3) | 1,
  step: 2 << 3,
  fileVersion: (3 << 3) | 2,
  summary: (5 << 3) | 2,
  value: (1 << 3) | 2,
  name: (1 << 3) | 2,
  simpleValue: (2 << 3) | 5,
};

/** Name of the file: TensorBoard looks for `tfevents` in it. */
export const EVENTS_FILE = 'events.out.tfevents.plein-air';

/** The metric log as an event file that TensorBoard reads; the same log gives the same bytes. */
export function tensorboardEvents(lines: readonly MetricLine[]): Buffer {
  const began = (lines[0]?.at ?? 0) / 1000;
  const version = protobuf.Writer.create()
    .uint32(TAG.wallTime)
    .double(began)
    .uint32(TAG.fileVersion)
    .string('brain.Event:2')
    .finish();
  return Buffer.concat([record(version), ...lines.map((line) => record(event(line)))]);
}

function event({ step, at, values }: MetricLine): Uint8Array {
  const writer = protobuf.Writer.create()
    .uint32(TAG.wallTime)
    .double(at / 1000)
    .uint32(TAG.step)
    .int64(step)
    .uint32(TAG.summary)
    .fork();
  // One picture's loss is for comparing checkpoints, and no curve to read.
  const curves = Object.entries(values).filter(([name]) => !/^heldOutLoss\.\d+$/.test(name));
  for (const [name, value] of curves.sort(([a], [b]) => (a < b ? -1 : 1)))
    writer
      .uint32(TAG.value)
      .fork()
      .uint32(TAG.name)
      .string(name)
      .uint32(TAG.simpleValue)
      .float(value)
      .ldelim();
  return writer.ldelim().finish();
}

/** A record of a TFRecord file: length, its checksum, data, their checksum, all little-endian. */
function record(data: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc(data));
  return Buffer.concat([head, data, tail]);
}

/** CRC-32C, rotated and shifted so that a checksum of data that holds checksums stays a good one. */
function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (CASTAGNOLI[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  crc = (crc ^ 0xffffffff) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const CASTAGNOLI = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

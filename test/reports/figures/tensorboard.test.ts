import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import type { MetricLine } from '../../../src/domain/training/metric-log.ts';
import { tensorboardEvents } from '../../../src/reports/figures/tensorboard.ts';

/** The file of an empty log: version record and checksums. */
const EMPTY = '1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3';

/** The messages as TensorFlow's .proto files define them, read by the protobuf library itself. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Value { string tag = 1; float simple_value = 2; }
  message Summary { repeated Value value = 1; }
  message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
`);

function read(bytes: Buffer): Record<string, unknown>[] {
  const events: Record<string, unknown>[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    const event = root.lookupType('Event');
    events.push(event.toObject(event.decode(data), { longs: Number }));
    at += 16 + length;
  }
  return events;
}

describe('the metric log as TensorBoard events', () => {
  it('begins as TensorBoard 2.21 accepted it, checksums included', () => {
    expect(tensorboardEvents([]).toString('hex')).toBe(EMPTY);
  });

  it('holds every figure of every step', () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true }).map((v) => v || 0);
    const line = fc.record({
      step: fc.nat(),
      attempt: fc.nat(),
      at: fc.nat(),
      values: fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z]*$/), finite),
    });
    fc.assert(
      fc.property(fc.array(line), (lines: MetricLine[]) => {
        const [version, ...events] = read(tensorboardEvents(lines));
        expect(version).toMatchObject({ fileVersion: 'brain.Event:2' });
        expect(events.map((e) => e.step ?? 0)).toEqual(lines.map(({ step }) => step));
        for (const [n, e] of events.entries()) {
          const { value = [] } = e.summary as { value?: { tag: string; simpleValue?: number }[] };
          const values = Object.fromEntries(value.map((v) => [v.tag, v.simpleValue ?? 0]));
          expect(values).toEqual({ ...lines[n]?.values });
        }
      }),
    );
  });
});

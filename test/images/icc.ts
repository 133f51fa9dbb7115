/** An RGB color space: chromaticities brought to D50, as ICC profiles hold them, and a gamma. */
export interface RgbSpace {
  name: string;
  /** XYZ of red, green and blue, D50. */
  columns: readonly (readonly [number, number, number])[];
  gamma: number;
}

/** Spaces that scanners and museums deliver; figures as their makers publish them. */
export const SPACES: readonly RgbSpace[] = [
  {
    name: 'Adobe RGB',
    columns: [
      [0.60974, 0.31111, 0.01947],
      [0.20528, 0.62567, 0.06087],
      [0.14919, 0.06322, 0.74457],
    ],
    gamma: 2.19921875,
  },
  {
    name: 'ProPhoto',
    columns: [
      [0.79767, 0.28804, 0],
      [0.13519, 0.71188, 0],
      [0.03135, 0.00009, 0.8249],
    ],
    gamma: 1.8,
  },
  {
    name: 'P3, gamma 2.2',
    columns: [
      [0.51512, 0.2412, -0.00105],
      [0.29198, 0.69225, 0.04189],
      [0.1571, 0.06657, 0.78407],
    ],
    gamma: 2.2,
  },
];

/** A version 2 display profile of matrix and gamma. */
export function profileOf({ name, columns, gamma }: RgbSpace): Buffer {
  const fixed = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(Math.round(value * 65536));
    return bytes;
  };
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = Buffer.from(`${name}\0`, 'latin1');
  const xyz = (values: readonly number[]) =>
    Buffer.concat([Buffer.from('XYZ \0\0\0\0'), ...values.map(fixed)]);
  const curve = Buffer.alloc(14);
  curve.write('curv', 0);
  curve.writeUInt32BE(1, 8);
  curve.writeUInt16BE(Math.round(gamma * 256), 12);
  const tags: [string, Buffer][] = [
    ['desc', Buffer.concat([Buffer.from('desc\0\0\0\0'), number(text.length), text, Buffer.alloc(79)])],
    ['cprt', Buffer.concat([Buffer.from('text\0\0\0\0'), text])],
    ['wtpt', xyz([0.9642, 1, 0.8249])],
    ...(['rXYZ', 'gXYZ', 'bXYZ'] as const).map((tag, at): [string, Buffer] => [tag, xyz(columns[at] ?? [])]),
    ...(['rTRC', 'gTRC', 'bTRC'] as const).map((tag): [string, Buffer] => [tag, curve]),
  ];
  let offset = 128 + 4 + tags.length * 12;
  const entries: Buffer[] = [];
  const bodies: Buffer[] = [];
  for (const [tag, body] of tags) {
    entries.push(Buffer.from(tag), number(offset), number(body.length));
    const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
    bodies.push(padded);
    offset += padded.length;
  }
  const head = Buffer.alloc(128);
  head.writeUInt32BE(offset, 0);
  head.writeUInt32BE(0x02400000, 8);
  head.write('mntrRGB XYZ ', 12);
  head.write('acsp', 36);
  fixed(0.9642).copy(head, 68);
  fixed(1).copy(head, 72);
  fixed(0.8249).copy(head, 76);
  return Buffer.concat([head, number(tags.length), ...entries, ...bodies]);
}

/** 8-bit sRGB of a color in a space, by the figures alone: gamma, matrix, D50 to linear sRGB, curve. */
export function toSrgb({ columns, gamma }: RgbSpace, color: readonly number[]): number[] {
  const linear = color.map((value) => value ** gamma);
  const xyz = [0, 1, 2].map((row) =>
    columns.reduce((sum, column, at) => sum + (column[row] as number) * (linear[at] as number), 0),
  );
  const rows = [
    [3.1338561, -1.6168667, -0.4906146],
    [-0.9787684, 1.9161415, 0.033454],
    [0.0719453, -0.2289914, 1.4052427],
  ];
  return rows.map((row) => {
    const value = Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, part, at) => sum + part * (xyz[at] as number), 0),
      ),
    );
    return Math.round(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
  });
}

import sharp, { type Sharp } from 'sharp';

/** Numbers from 0 to 1 that look random and are the same in every run. */
export function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Another reproduction of a picture, as collections have them: 2 to 25 % of its sides cropped off, other tones, colors and
 * size, JPEG again, and now and then a caption burnt in or a border around it.
 */
export async function reproduce(picture: Uint8Array, seed: number): Promise<Buffer> {
  const random = randomFrom(seed);
  const cropped = await withOtherTones(await crop(picture, random), random);
  const width = Math.max(220, Math.round(cropped.width * (0.45 + 1.05 * random())));
  const height = Math.round((cropped.height * width) / cropped.width);
  let bytes = await cropped.picture.resize(width, height, { fit: 'fill' }).png().toBuffer();
  if (random() < 0.35) bytes = await withCaption(bytes, { width, height }, random);
  if (random() < 0.35) bytes = await withBorder(bytes, Math.min(width, height), random);
  return sharp(bytes)
    .jpeg({ quality: 35 + Math.round(50 * random()) })
    .toBuffer();
}

async function crop(picture: Uint8Array, random: () => number) {
  const whole = sharp(picture).flatten({ background: '#ffffff' });
  const { width, height } = await sharp(picture).metadata();
  const lost = 0.02 + 0.23 * random();
  const [across, down] = [lost * (0.4 + 0.6 * random()), lost * (0.4 + 0.6 * random())];
  return whole
    .extract({
      left: Math.floor(width * across * random()),
      top: Math.floor(height * down * random()),
      width: Math.floor(width * (1 - across)),
      height: Math.floor(height * (1 - down)),
    })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
}

async function withOtherTones(
  { data, info }: Awaited<ReturnType<typeof crop>>,
  random: () => number,
): Promise<{ picture: Sharp; width: number; height: number }> {
  const [gamma, gain, lift] = [Math.exp((random() - 0.5) * 0.9), 0.8 + 0.4 * random(), (random() - 0.5) * 40];
  const curves = [0, 1, 2].map(() => {
    const cast = 0.9 + 0.2 * random();
    return Uint8Array.from({ length: 256 }, (_, value) =>
      Math.max(0, Math.min(255, Math.round(255 * (value / 255) ** gamma * gain * cast + lift))),
    );
  });
  for (let at = 0; at < data.length; at++)
    data[at] = (curves[at % 3] as Uint8Array)[data[at] as number] as number;
  const { width, height } = info;
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  return {
    picture: random() < 0.5 ? picture.modulate({ saturation: 0.5 + random() }) : picture,
    width,
    height,
  };
}

async function withCaption(bytes: Buffer, size: { width: number; height: number }, random: () => number) {
  const band = Math.round(size.height * (0.05 + 0.05 * random()));
  const ground = random() < 0.5 ? 'rgba(0,0,0,0.45)' : '#111111';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${band}"><rect width="100%" height="100%" fill="${ground}"/><text x="10" y="${band * 0.7}" font-family="DejaVu Sans" font-size="${band * 0.5}" fill="#ffffff">From the collection of the museum, 1887</text></svg>`;
  return sharp(bytes)
    .composite([{ input: Buffer.from(svg), gravity: 'south' }])
    .png()
    .toBuffer();
}

async function withBorder(bytes: Buffer, short: number, random: () => number) {
  const width = Math.round(short * (0.01 + 0.06 * random()));
  const background = ['#ffffff', '#000000', '#f3ead8'][Math.floor(random() * 3)] ?? '#ffffff';
  return sharp(bytes)
    .extend({ top: width, bottom: width, left: width, right: width, background })
    .png()
    .toBuffer();
}

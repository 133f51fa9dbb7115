import sharp from 'sharp';

const SIDE = 32;
/** Standard deviation, of 0 to 255, below which a channel counts as flat. */
const FLAT = 2;

/** Width and height in pixels. */
export async function sizeOf(picture: Buffer): Promise<{ width: number; height: number }> {
  const { width, height } = await sharp(picture).metadata();
  return { width, height };
}

/** What a PNG says about itself in its text chunks. */
export async function textsOf(picture: Buffer): Promise<string[]> {
  const { comments } = await sharp(picture).metadata();
  return (comments ?? []).map(({ text }) => text);
}

/** Whether a picture shows nothing: every channel has (nearly) one value. */
export async function isBlank(picture: Buffer): Promise<boolean> {
  const { channels } = await sharp(picture).removeAlpha().stats();
  return channels.every((channel) => channel.stdev < FLAT);
}

/** Mean absolute difference of two pictures seen from afar (32 × 32, colors 0 to 1): 0 for the same picture. */
export async function pictureDistance(a: Buffer, b: Buffer): Promise<number> {
  const [first, second] = await Promise.all([fromAfar(a), fromAfar(b)]);
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += Math.abs((first[i] ?? 0) - (second[i] ?? 0));
  return sum / first.length / 255;
}

function fromAfar(picture: Buffer): Promise<Buffer> {
  return sharp(picture)
    .removeAlpha()
    .toColorspace('srgb')
    .resize(SIDE, SIDE, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
}

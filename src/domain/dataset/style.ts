/** Names of the figures that say in little how a picture is painted: tones, colors, edges, detail from coarse to fine. */
export const STYLE_FEATURES = [
  ...[
    'lightness',
    'lightness deviation',
    'chroma',
    'chroma deviation',
    'a',
    'b',
    'a deviation',
    'b deviation',
  ],
  ...Array.from({ length: 6 }, (_, i) => `hue ${i * 60}`),
  ...['darkest tenth', 'lightest tenth', 'flat parts', 'dark outlines', 'tones'],
  ...['detail 256', 'detail 128', 'detail 64', 'detail 32'],
  ...['strong edges', 'edge spread', 'edge direction'],
] as const;

/** A picture as the doubt about labels sees it. */
export interface StyledPicture {
  id: string;
  style: string;
  features: readonly number[];
}

/** A picture whose features sit with another style than its label. */
export interface LabelDoubt {
  id: string;
  /** Style that it looks like. */
  looksLike: string;
  /** Log-likelihood of that style over the label's, in nats. */
  nats: number;
}

/** Fewest pictures of a style that say how the style looks. */
const MIN_MEMBERS = 5;
/** Part of the pooled covariance that is replaced by its diagonal: few pictures, many figures. */
const SHRINKAGE = 0.3;

/**
 * Pictures of `style` that look more like another style: by the distance from the styles' means under their pooled
 * covariance (linear discriminant analysis with shrinkage), a picture's own share taken out of its style's mean. Most
 * doubtful first. A hint for people, not a filter.
 */
export function labelDoubts(
  pictures: readonly StyledPicture[],
  style: string,
  leastNats: number,
): LabelDoubt[] {
  const groups = new Map<string, StyledPicture[]>();
  for (const picture of pictures) groups.set(picture.style, [...(groups.get(picture.style) ?? []), picture]);
  for (const [name, members] of groups) if (members.length < MIN_MEMBERS) groups.delete(name);
  const own = groups.get(style);
  if (own === undefined || groups.size < 2) return [];
  const means = new Map([...groups].map(([name, members]) => [name, meanOf(members)]));
  const whiten = whitening([...groups.values()], means);
  const centers = [...means].map(([name, mean]) => ({ name, center: whiten(mean) }));
  const ownCenter = centers.find(({ name }) => name === style)?.center ?? [];
  const doubts: LabelDoubt[] = [];
  for (const picture of own) {
    const at = whiten(picture.features);
    const n = own.length;
    // Taking a picture out of its own mean moves the mean away from it by 1 / (n − 1) of the distance.
    const toOwn = squared(at, ownCenter) * (n / (n - 1)) ** 2;
    let nearest = { name: style, distance: Number.POSITIVE_INFINITY };
    for (const { name, center } of centers) {
      if (name === style) continue;
      const distance = squared(at, center);
      if (distance < nearest.distance) nearest = { name, distance };
    }
    const nats = (toOwn - nearest.distance) / 2;
    if (nats >= leastNats)
      doubts.push({ id: picture.id, looksLike: nearest.name, nats: Math.round(nats * 100) / 100 });
  }
  return doubts.sort((a, b) => b.nats - a.nats || (a.id < b.id ? -1 : 1));
}

function meanOf(members: readonly StyledPicture[]): number[] {
  const size = members[0]?.features.length ?? 0;
  return Array.from(
    { length: size },
    (_, f) => members.reduce((sum, m) => sum + (m.features[f] as number), 0) / members.length,
  );
}

/** The map under which the pooled covariance within the styles is the unit matrix. */
function whitening(
  groups: readonly (readonly StyledPicture[])[],
  means: ReadonlyMap<string, number[]>,
): (features: readonly number[]) => number[] {
  const size = STYLE_FEATURES.length;
  const covariance = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  let count = 0;
  for (const members of groups)
    for (const { style, features } of members) {
      const mean = means.get(style) as number[];
      count += 1;
      for (let i = 0; i < size; i++) {
        const row = covariance[i] as number[];
        const di = (features[i] as number) - (mean[i] as number);
        for (let j = 0; j <= i; j++)
          row[j] = (row[j] as number) + di * ((features[j] as number) - (mean[j] as number));
      }
    }
  for (const [i, row] of covariance.entries())
    for (let j = 0; j <= i; j++) {
      const value = (row[j] as number) / Math.max(1, count - groups.length);
      row[j] = i === j ? value + 1e-6 : value * (1 - SHRINKAGE);
    }
  const lower = cholesky(covariance);
  return (features) => solveLower(lower, features);
}

function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const lower = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const [rowI, rowJ] = [lower[i] as number[], lower[j] as number[]];
      let sum = (matrix[i] as number[])[j] as number;
      for (let k = 0; k < j; k++) sum -= (rowI[k] as number) * (rowJ[k] as number);
      rowI[j] = i === j ? Math.sqrt(Math.max(sum, 1e-9)) : sum / (rowJ[j] as number);
    }
  return lower;
}

function solveLower(lower: readonly (readonly number[])[], features: readonly number[]): number[] {
  const solved: number[] = [];
  for (const [i, row] of lower.entries()) {
    let sum = features[i] as number;
    for (let k = 0; k < i; k++) sum -= (row[k] as number) * (solved[k] as number);
    solved.push(sum / (row[i] as number));
  }
  return solved;
}

function squared(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0);
}

import type { DatasetConfig } from '../config/run-config.ts';
import type { Candidate } from './measures.ts';
import type { BorderlineImage } from './record.ts';
import type { LabelDoubt } from './style.ts';

/** How near a limit counts as near: a tenth of it for sizes, and what each of the others can be off by. */
const NEAR = { shortSide: 1.1, aspect: 0.92, chroma: 1.6, colorSpread: 2, letters: 2 };

/** Part of the height in rows of one color from which on a file may have been cut off. */
const MAX_FLAT_PART = 0.25;

/** A filter that a kept picture passed by little; the first one where there are several. */
export function nearLimit(
  { measures }: Pick<Candidate, 'measures'>,
  limits: Pick<
    DatasetConfig,
    'minShortSide' | 'maxAspectRatio' | 'minChroma' | 'minColorSpread' | 'maxLetters'
  >,
): Pick<BorderlineImage, 'doubt' | 'measured' | 'limit'> | null {
  const [, , width, height] = measures.box;
  const shortSide = Math.min(width, height);
  if (shortSide < limits.minShortSide * NEAR.shortSide)
    return { doubt: 'too-small', measured: shortSide, limit: limits.minShortSide };
  const aspect = Math.round((Math.max(width, height) / shortSide) * 1000) / 1000;
  if (aspect > limits.maxAspectRatio * NEAR.aspect)
    return { doubt: 'aspect-ratio', measured: aspect, limit: limits.maxAspectRatio };
  if (measures.chroma < limits.minChroma * NEAR.chroma)
    return { doubt: 'grayscale', measured: measures.chroma, limit: limits.minChroma };
  if (measures.colorSpread < limits.minColorSpread * NEAR.colorSpread)
    return { doubt: 'scan', measured: measures.colorSpread, limit: limits.minColorSpread };
  if (measures.flatPart > MAX_FLAT_PART)
    return { doubt: 'half-flat', measured: measures.flatPart, limit: MAX_FLAT_PART };
  if (limits.maxLetters !== null && measures.letters > limits.maxLetters - NEAR.letters)
    return { doubt: 'text', measured: measures.letters, limit: limits.maxLetters };
  return null;
}

/** A doubt about a label as a borderline record. */
export function labelDoubt(
  doubt: LabelDoubt,
  leastNats: number,
): Pick<BorderlineImage, 'doubt' | 'measured' | 'limit'> {
  return { doubt: 'label', measured: `${doubt.looksLike}, ${doubt.nats} nats`, limit: leastNats };
}

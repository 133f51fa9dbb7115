import { duration } from './output.ts';

/** Work under way, as a line shows it. */
export interface ShownProgress {
  stage: string;
  /** Newest figures, in words. */
  figures: string;
  etaSeconds: number | null;
  done: number;
  total: number;
}

/** Stages whose progress is counted in bytes. */
const IN_BYTES = /^(fetching|download|checkpoint$)/;

/** How far it is, with its unit: `231 of 300`, `4.8 of 19.7 MB`; empty where nothing is counted. */
export function amount({ stage, done, total }: Pick<ShownProgress, 'stage' | 'done' | 'total'>): string {
  if (total <= 1) return '';
  if (!IN_BYTES.test(stage)) return `${Math.round(done)} of ${Math.round(total)}`;
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes >= 1e8 ? 0 : 1);
  return `${megabytes(done)} of ${megabytes(total)} MB`;
}

/** What stands after the bar: amount, time left, stage, figures; what does not fit is left out from the end. */
export function progressWords(progress: ShownProgress, columns: number): string {
  const { stage, figures, etaSeconds } = progress;
  const eta = etaSeconds === null ? '' : `${duration(etaSeconds)} left`;
  const parts = [amount(progress), eta, stage, ...figures.split('  ')].filter((part) => part !== '');
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`;
    if (longer.length > columns) break;
    line = longer;
  }
  return line;
}

import { foldLabel } from '../../domain/dataset/labels.ts';

/** What a folder is to be taken as. */
export interface IntakeOptions {
  /** One style for all, or which of the folder's styles is meant; null: what the folder itself says. */
  style: string | null;
  /** Name of the folder, for a style that nothing else names. */
  name: string;
}

/** The style wanted, and what it is from. */
export interface ChosenStyle {
  name: string;
  from: string;
}

/** The style that a source is taken for where it names several and none is asked for: the project's own. */
const USUAL = 'impressionism';

/** The style wanted: the one asked for, the only one there is, or the folder's own name where nothing has a style. */
export function chooseStyle(
  labels: readonly string[],
  p: IntakeOptions & {
    /** What the labels are from, for people. */
    from: string;
    /** Somebody wrote the labels down; else they are names of folders, which may mean anything. */
    isGiven: boolean;
    trigger: string | null;
  },
  problems: string[],
): ChosenStyle {
  const counts = countsOf(labels);
  const listed = [...counts.values()].map(({ name, count }) => `${name} (${count})`).join(', ');
  if (p.style !== null) {
    const known = counts.get(foldLabel(p.style));
    if (known !== undefined) return { name: known.name, from: `--style, one of those in ${p.from}` };
    if (p.isGiven)
      problems.push(`--style: expected one of the styles in ${p.from}, got "${p.style}": it has ${listed}`);
    return { name: p.style.trim(), from: '--style' };
  }
  const [only, ...more] = counts.values();
  if (only === undefined)
    return p.trigger === null
      ? { name: p.name, from: 'the name of the folder' }
      : { name: p.trigger, from: 'a folder named "N_words"' };
  if (more.length === 0 && only.count === labels.length) return { name: only.name, from: p.from };
  const usual = counts.get(USUAL);
  if (usual !== undefined) return { name: usual.name, from: p.from };
  const without = labels.length - [...counts.values()].reduce((sum, { count }) => sum + count, 0);
  problems.push(
    `expected one style, got ${listed} in ${p.from}${without === 0 ? '' : ` and ${without} pictures without one`}: say which is meant, or one name for all, with --style`,
  );
  return { name: only.name, from: p.from };
}

function countsOf(labels: readonly string[]): Map<string, { name: string; count: number }> {
  const counts = new Map<string, { name: string; count: number }>();
  for (const label of labels) {
    const folded = foldLabel(label);
    if (folded === '') continue;
    const known = counts.get(folded);
    counts.set(folded, { name: known?.name ?? label.trim(), count: (known?.count ?? 0) + 1 });
  }
  return counts;
}

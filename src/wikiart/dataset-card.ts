import { stringify } from 'yaml';
import { type DatasetManifest, SPLITS, type SplitProof } from '../domain/dataset/record.ts';
import { code, escapeMarkdown } from '../domain/escape-markdown.ts';
import { visibleText } from '../domain/visible-text.ts';

/** What a prepared dataset's card is written from. */
export interface CardFacts {
  manifest: Omit<DatasetManifest, 'files'>;
  /** The source's own card. */
  sourceCard: string;
  style: string;
  trigger: string;
  /** Captions to show. */
  captions: string[];
  /** Color and reason of each band in the sheet of dropped pictures, in its order. */
  bands: { reason: string; color: string }[];
  hasKeptSheet: boolean;
  /** Plots beside the card, in the order in which it shows them. */
  plots: readonly { path: string; title: string }[];
  proof: SplitProof;
}

/** What of a source's card matters here. */
function sourceFacts(card: string): { license: string | null; isOwn: boolean; generated: boolean } {
  return {
    license: field(card, 'license'),
    isOwn: frontMatter(card).some((line) => line.trim() === `- ${OWN_PICTURES}`),
    generated: /\bGENERATED\b|procedurally/.test(card),
  };
}

/** Tag of a source that was imported from a folder. */
export const OWN_PICTURES = 'own-pictures';

/** What is known of the rights in a source's pictures. */
function rightsSentence(source: ReturnType<typeof sourceFacts>, repo: string): string {
  if (source.license !== null) return `The source's license applies: ${code(source.license)}.`;
  if (source.isOwn)
    return 'The pictures come from a folder, without a license: whoever put them here answers for the rights in them. Keep this dataset private unless you hold those rights.';
  if (isWikiArt(repo))
    return "The source's card names no license. WikiArt's pictures are for non-commercial research only; many of the works are in the public domain, not all. Keep this dataset private unless you have cleared the rights.";
  return "The source's card names no license. Keep this dataset private unless you have cleared the rights.";
}

/** Whether a repository is a copy of WikiArt. */
function isWikiArt(repo: string): boolean {
  return /\/wiki-?art\b/i.test(repo);
}

/** The license that a repository's card names in its front matter, by the more telling of its names; null: none. */
export function licenseOf(card: string): string | null {
  return field(card, 'license_name') ?? field(card, 'license');
}

/**
 * Lines of a card's front matter. The card is somebody else's: its lines are looked through, and no parser whose work grows
 * faster than its text gets to see it.
 */
function frontMatter(card: string): string[] {
  const lines = card.replace(/^\s+/, '').split(/\r?\n/);
  return lines[0]?.trimEnd() === '---' ? lines.slice(1, Math.max(lines.indexOf('---', 1), 1)) : [];
}

/** One plain field of a card's front matter; null: none, or no plain word. */
function field(card: string, name: string): string | null {
  const value = frontMatter(card)
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .replace(/\s#.*$/, '')
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2');
  return value !== undefined && /^[\w.+-]{1,100}$/.test(value) ? value : null;
}

/** The dataset card (README.md) of a prepared dataset: how it loads, what is in it, how it came about, its license. */
export function datasetCard(facts: CardFacts): string {
  const { manifest } = facts;
  const source = sourceFacts(facts.sourceCard);
  const front = {
    pretty_name: `${facts.style.replaceAll('_', ' ')}, prepared by Plein Air`,
    license: source.license ?? 'other',
    ...(source.license === null ? { license_name: 'as-the-source' } : {}),
    task_categories: ['text-to-image'],
    tags: [
      'plein-air',
      ...(isWikiArt(manifest.source.repo) ? ['wikiart'] : []),
      ...(source.isOwn ? [OWN_PICTURES] : []),
      ...(source.generated ? ['generated'] : []),
    ],
    source_datasets: [manifest.source.repo],
    configs: [
      {
        config_name: 'default',
        // `datasets` refuses to load a split without rows.
        data_files: SPLITS.filter((split) => (manifest.images[split] ?? 0) > 0).map((split) => ({
          split,
          path: `data/${split}-*.parquet`,
        })),
      },
    ],
  };
  const kept = SPLITS.reduce((sum, split) => sum + (manifest.images[split] ?? 0), 0);
  const dropped = Object.entries(manifest.dropped).filter(([, count]) => count > 0);
  const lines = [
    `---\n${stringify(front).trimEnd()}\n---`,
    `# ${escapeMarkdown(front.pretty_name)}`,
    ...(source.generated
      ? ['> **GENERATED**: every picture was painted by a program; no work of art and no artist is in here.']
      : []),
    `${kept} pictures from [${manifest.source.repo}](https://huggingface.co/datasets/${manifest.source.repo}) at commit \`${manifest.source.commit}\`, of ${manifest.rows} rows there.`,
    ...(facts.hasKeptSheet ? ['![Pictures kept](preview/kept.png)'] : []),
    '## Splits',
    table(
      ['split', 'pictures', 'for'],
      [
        ['train', String(manifest.images.train), 'training'],
        ['held_out', String(manifest.images.held_out), 'held-out loss and metrics; never trained on'],
        ['test', String(manifest.images.test), 'sealed: nothing before the gate reads it'],
        [
          'neighbors',
          String(manifest.images.neighbors),
          manifest.reference === undefined
            ? 'other styles, as reference for the style margin'
            : `other styles from ${manifest.reference.repo}, as reference for the style margin`,
        ],
      ],
    ),
    leakSentence(manifest),
    heldOutSentence(facts.proof),
    ...facts.plots.flatMap(({ path, title }) => [
      `${escapeMarkdown(title)}:`,
      `![${escapeMarkdown(title)}](${path})`,
    ]),
    '## Captions',
    captionSentence(manifest, facts.trigger),
    facts.captions.map((caption) => `- ${escapeMarkdown(caption)}`).join('\n'),
    '## Left out',
    dropped.length === 0
      ? 'Nothing.'
      : table(
          ['reason', 'pictures'],
          dropped.map(([reason, count]) => [escapeMarkdown(reason), String(count)]),
        ),
    'Each picture left out is a line of `dropped.jsonl` with what was measured and the limit (`other-style` is only counted).',
    ...(facts.bands.length > 0
      ? [
          '![Pictures left out](preview/dropped.png)',
          facts.bands.map(({ reason, color }) => `${code(color)} ${escapeMarkdown(reason)}`).join(', '),
        ]
      : []),
    '## Settings',
    `\`\`\`json\n${visibleText(JSON.stringify(manifest.settings, null, 2))}\n\`\`\``,
    `Cache key \`${manifest.key}\`: the same source, settings and seed give the same bytes.`,
    '## License',
    rightsSentence(source, manifest.source.repo),
  ];
  return `${lines.join('\n\n')}\n`;
}

function captionSentence(manifest: Omit<DatasetManifest, 'files'>, trigger: string): string {
  const end = `with the trigger phrase ${code(trigger)} at the end:`;
  const { captions } = manifest;
  if (captions === undefined) return `From the source's genre, ${end}`;
  const { model, license, own, described, fromGenre, cleaned, cut } = captions;
  const ours =
    own === 0
      ? ''
      : manifest.settings.captions === 'described'
        ? `${own} are the source's own, without words of style, medium and maker. `
        : `${own} are the source's own, as they are; the trigger phrase ${code(trigger)} was added where they did not name it. `;
  if (model === null)
    return `${ours}${fromGenre === 0 ? '' : `${fromGenre} pictures had none and get one from the genre. `}For example:`;
  const link = `[${model.repo}](https://huggingface.co/${model.repo})`;
  const terms =
    license === null
      ? 'its card names no license, so ask before you publish what it wrote'
      : `license ${code(license)}, as its card says`;
  return (
    `${ours}${described + fromGenre} are described from the pictures by ${link} at commit \`${model.commit}\` (${terms}). Words of style, medium, maker and title ` +
    `were taken out of ${cleaned}; ${cut} were cut to what the text encoders see; ${fromGenre} of ${described + fromGenre} come ` +
    `from the genre, because nothing of the model's words was left. Neighbors' come from the genre. All ${end}`
  );
}

function heldOutSentence({ heldOut, clusters, clustersAcrossSplits }: SplitProof): string {
  const { held_out, test } = heldOut;
  return `Held out: ${held_out.unseenArtists} works by artists whom training never sees and ${held_out.knownArtists} by artists whom it knows; sealed test: ${test.unseenArtists} and ${test.knownArtists}. Of ${clusters} near-duplicate clusters ${clustersAcrossSplits} lie in more than one split. The closest pair of each two splits is in \`proof.json\`.`;
}

function leakSentence(manifest: Omit<DatasetManifest, 'files'>): string {
  const nearest = manifest.nearestCrossSplit;
  const unseen = manifest.unseenArtists.held_out.length + manifest.unseenArtists.test.length;
  const artists = `${unseen} ${unseen === 1 ? 'artist appears' : 'artists appear'} in one held-out split only.`;
  return nearest === null
    ? `No two splits share a near-duplicate. ${artists}`
    : `Closest pair across splits: ${code(nearest.a)} and ${code(nearest.b)}, ${nearest.bits} of 64 bits apart by perceptual hash. ${artists}`;
}

function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

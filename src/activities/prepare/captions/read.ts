import {
  captionFor,
  type DescribedCaption,
  describedCaption,
  ownCaption,
} from '../../../domain/dataset/captions.ts';
import type { Candidate } from '../../../domain/dataset/measures.ts';
import { idOf } from '../../../domain/dataset/measures.ts';
import type { ManifestCaptions } from '../../../domain/dataset/record.ts';
import { RENOWNED_PAINTERS } from '../../../domain/dataset/renowned-painters.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../../domain/refs.ts';
import type { RunContext } from '../../../domain/run/context.ts';
import type { Hub } from '../../../hub/hub.ts';
import {
  type TextEncoder,
  TOKEN_LIMITS,
  type TokenCounters,
  tokenCounters,
} from '../../../wikiart/caption-tokens.ts';
import { licenseOf } from '../../../wikiart/dataset-card.ts';
import type { GroupResult } from '../local-store.ts';
import { readCaptions } from './work-repo.ts';

/** Captions picture by picture; {@link facts} sums up those that were asked for. */
export interface Captions {
  of(candidate: Candidate): string;
  /** Where they are from; null: all of them from the genre. */
  facts(): ManifestCaptions | null;
}

type Made = DescribedCaption & { from: 'own' | 'model' | 'genre' };

/** The captions of a dataset: the source's own, a model's that the work repository holds, or words for the genre. */
export async function openCaptions(
  hub: Hub,
  p: { context: RunContext; work: RepoRef; head: CommitSha; groups: readonly GroupResult[] },
): Promise<Captions> {
  const { context } = p;
  const { trigger, captions: mode } = context.config.dataset;
  const model = await openModelCaptions(hub, p);
  const isCleaned = model !== null || mode === 'described';
  const labeled = p.groups.flatMap(({ candidates }) => candidates.map(({ candidate }) => candidate.artist));
  const artists = [...new Set([...labeled, ...RENOWNED_PAINTERS])].sort();
  const fits = isCleaned ? fitsInto(await tokenCounters(hub, context.base)) : () => true;
  const made = new Map<string, Made>();
  const make = (candidate: Candidate): Made => {
    const clean = (text: string) =>
      describedCaption({ text, genre: candidate.genre, trigger, artists, fits });
    const own = mode === 'model' ? '' : candidate.caption;
    if (own !== '')
      return mode === 'described'
        ? { ...clean(own), from: 'own' }
        : { caption: ownCaption(own, trigger), described: true, cleaned: false, cut: false, from: 'own' };
    if (model !== null) return { ...clean(model.text(candidate)), from: 'model' };
    return {
      caption: captionFor(candidate.genre, trigger),
      described: false,
      cleaned: false,
      cut: false,
      from: 'genre',
    };
  };
  return {
    of(candidate) {
      const caption = make(candidate);
      made.set(idOf(candidate), caption);
      return caption.caption;
    },
    facts() {
      const all = [...made.values()];
      if (all.every(({ from }) => from === 'genre')) return null;
      const count = (is: (caption: Made) => boolean) => all.filter(is).length;
      return {
        model: model?.at ?? null,
        license: model?.license ?? null,
        own: count(({ from, described }) => from === 'own' && described),
        described: count(({ from, described }) => from === 'model' && described),
        fromGenre: count(({ described }) => !described),
        cleaned: count(({ cleaned }) => cleaned),
        cut: count(({ cut }) => cut),
      };
    },
  };
}

/** What a captioning model said, as the work repository holds it; null for a run without one. */
async function openModelCaptions(
  hub: Hub,
  p: { context: RunContext; work: RepoRef; head: CommitSha },
): Promise<{
  at: NonNullable<ManifestCaptions['model']>;
  license: string | null;
  text(c: Candidate): string;
} | null> {
  const { context, work, head } = p;
  const { captioner } = context;
  if (context.config.dataset.captioner === null) return null;
  if (captioner === undefined)
    throw new PipelineError('Internal', 'Expected the captioner at a commit (dataset.captioner), got none');
  const texts = await readCaptions(hub, work, head);
  const card = (await hub.read(captioner, captioner.commit, 'README.md'))?.toString('utf8') ?? '';
  return {
    at: { repo: captioner.repo, commit: captioner.commit },
    license: licenseOf(card),
    text(candidate) {
      const id = idOf(candidate);
      const text = texts.get(id);
      if (text === undefined)
        throw new PipelineError('Corrupt', `Expected a caption of picture ${id} in ${work.repo}, got none`);
      return text;
    },
  };
}

/** Words of a caption at the most where a base has no tokenizer that could count: about half of what CLIP sees. */
const WORDS_UNCOUNTED = 40;

/** Whether both text encoders see all of a caption. */
function fitsInto(counters: TokenCounters): (caption: string) => boolean {
  return (caption) =>
    (Object.keys(TOKEN_LIMITS) as TextEncoder[]).every((encoder) => {
      const count = counters[encoder];
      return count === null
        ? caption.split(' ').length <= WORDS_UNCOUNTED
        : count(caption) <= TOKEN_LIMITS[encoder];
    });
}

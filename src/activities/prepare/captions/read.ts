import { type DescribedCaption, describedCaption } from '../../../domain/dataset/captions.ts';
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

/** Captions by a model, picture by picture; {@link facts} sums up those that were asked for. */
export interface ModelCaptions {
  of(candidate: Candidate): string;
  facts(): ManifestCaptions;
}

/** The captions that the work repository holds, ready for the dataset; null for a run without a captioner. */
export async function openCaptions(
  hub: Hub,
  p: { context: RunContext; work: RepoRef; head: CommitSha; groups: readonly GroupResult[] },
): Promise<ModelCaptions | null> {
  const { context, work, head } = p;
  const { captioner, base } = context;
  if (context.config.dataset.captioner === null) return null;
  if (captioner === undefined)
    throw new PipelineError('Internal', 'Expected the captioner at a commit (dataset.captioner), got none');
  const texts = await readCaptions(hub, work, head);
  const card = (await hub.read(captioner, captioner.commit, 'README.md'))?.toString('utf8') ?? '';
  const labeled = p.groups.flatMap(({ candidates }) => candidates.map(({ candidate }) => candidate.artist));
  const artists = [...new Set([...labeled, ...RENOWNED_PAINTERS])].sort();
  const fits = fitsInto(await tokenCounters(hub, base));
  const made = new Map<string, DescribedCaption>();
  const { trigger } = context.config.dataset;
  return {
    of(candidate) {
      const id = idOf(candidate);
      const text = texts.get(id);
      if (text === undefined)
        throw new PipelineError('Corrupt', `Expected a caption of picture ${id} in ${work.repo}, got none`);
      const caption = describedCaption({ text, genre: candidate.genre, trigger, artists, fits });
      made.set(id, caption);
      return caption.caption;
    },
    facts() {
      const all = [...made.values()];
      const count = (is: (caption: DescribedCaption) => boolean) => all.filter(is).length;
      return {
        model: { repo: captioner.repo, commit: captioner.commit },
        license: licenseOf(card),
        described: count(({ described }) => described),
        fromGenre: count(({ described }) => !described),
        cleaned: count(({ cleaned }) => cleaned),
        cut: count(({ cut }) => cut),
      };
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

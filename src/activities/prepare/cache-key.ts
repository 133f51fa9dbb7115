import { createHash } from 'node:crypto';
import { join } from 'node:path';
import sharp from 'sharp';
import { canonicalJson } from '../../domain/canonical-json.ts';
import { CAPTION_PROMPT } from '../../domain/config/captioner.ts';
import type { DatasetConfig } from '../../domain/config/run-config.ts';
import { DatasetManifest } from '../../domain/dataset/record.ts';
import { PipelineError } from '../../domain/errors.ts';
import { type CommitSha, RepoId, type RepoRef, Sha256 } from '../../domain/refs.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Hub } from '../../hub/hub.ts';

/** Grows when preparation changes what it writes, so that a dataset made by older code is not taken for the same. */
const PREPARATION_VERSION = 5;

/** Grows when a model's words are asked for, cleaned or cut in another way. */
const CAPTION_VERSION = 1;

/** Which dataset a run asks for: its cache key, where it is published, and where the work in progress lies. */
export interface PreparationTarget {
  key: Sha256;
  repo: RepoRef;
  work: RepoRef;
}

/** The dataset that a run's source, settings and seed come to. */
export function targetOf(context: RunContext): PreparationTarget {
  const { dataset } = context.config;
  const key = preparationKey(context);
  const repo = preparedRepo(context.namespace, dataset.style, key);
  return { key, repo, work: { type: 'dataset', repo: RepoId.parse(`${repo.repo}-work`) } };
}

/** Folder below a worker's own in which it keeps what it has of a preparation. */
export function localFolder(workDir: string, target: PreparationTarget): string {
  return join(workDir, 'prepare', target.key.slice(0, 24));
}

/** Cache key of a preparation: everything that decides its bytes. */
function preparationKey({ contents, source, reference, config, captioner, base }: RunContext): Sha256 {
  const facts = {
    version: PREPARATION_VERSION,
    libvips: sharp.versions.vips,
    // A commit has a time, and so another name on every Hub; what it holds has not.
    source: contents?.source ?? `${source.repo}@${source.commit}`,
    ...(reference === undefined
      ? {}
      : { reference: contents?.reference ?? `${reference.repo}@${reference.commit}` }),
    settings: settingsOf(config.dataset),
    seed: config.seed,
    ...(captioner === undefined
      ? {}
      : {
          captions: {
            version: CAPTION_VERSION,
            prompt: CAPTION_PROMPT,
            model: `${captioner.repo}@${captioner.commit}`,
            // Captions are cut to what the base's own tokenizers make of them.
            base: `${base.repo}@${base.commit}`,
          },
        }),
  };
  return Sha256.parse(createHash('sha256').update(canonicalJson(facts)).digest('hex'));
}

/** Repository that a preparation is published in. */
export function preparedRepo(namespace: string, style: string, key: Sha256): RepoRef {
  const slug = style
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60);
  return { type: 'dataset', repo: RepoId.parse(`${namespace}/${slug || 'dataset'}-${key.slice(0, 12)}`) };
}

/** The settings that decide the dataset's bytes: not how many pictures a run needs, nor the branch that was resolved. */
export function settingsOf(config: DatasetConfig): Record<string, unknown> {
  const { minTrainingImages: _, revision: __, source: ___, reference: ____, captioner, ...settings } = config;
  // Without a captioner the key is what it was before there were any: datasets made then are found.
  if (captioner === null || captioner === undefined) return settings;
  const { revision: _____, ...captioning } = captioner;
  return { ...settings, captioner: captioning };
}

/** A prepared dataset and what it says of itself. */
export interface PreparedOnHub {
  commit: CommitSha;
  manifest: DatasetManifest;
}

/** A prepared dataset that is on the Hub and whole: its key and every file's size and sha256 are as its manifest says. */
export async function findPrepared(hub: Hub, repo: RepoRef, key: Sha256): Promise<PreparedOnHub | null> {
  const commit = await hub.resolve(repo);
  if (commit === null) return null;
  const [bytes, entries] = await Promise.all([
    hub.read(repo, commit, 'manifest.json'),
    hub.list(repo, commit),
  ]);
  if (bytes === null) return null;
  const parsed = DatasetManifest.safeParse(parseJson(bytes.toString('utf8')));
  if (!parsed.success || parsed.data.key !== key) return null;
  const listed = new Map(entries.map((entry) => [entry.path, entry]));
  for (const file of parsed.data.files) {
    const entry = listed.get(file.path);
    if (entry === undefined || entry.bytes !== file.bytes) return null;
    if (entry.sha256 !== null && entry.sha256 !== file.sha256) return null;
  }
  return { commit, manifest: parsed.data };
}

/**
 * Does a part of a preparation. Another run of the same one may end meanwhile and remove the work in progress: what is missing
 * then is missing because the dataset is made, and `instead` answers with it.
 */
export async function unlessPrepared<T>(
  hub: Hub,
  target: PreparationTarget,
  part: () => Promise<T>,
  instead: (made: PreparedOnHub) => T,
): Promise<T> {
  try {
    return await part();
  } catch (error) {
    if (!(error instanceof PipelineError && ['HubRefused', 'InvalidInput'].includes(error.kind))) throw error;
    const made = await findPrepared(hub, target.repo, target.key);
    if (made === null) throw error;
    return instead(made);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

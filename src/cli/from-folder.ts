import type { Command } from 'commander';
import { mergeDeep, type RunConfig } from '../domain/config/run-config.ts';
import { MIN_PICTURES, SMALL_SET, smallSetSettings } from '../domain/dataset/small-set.ts';
import { PipelineError } from '../domain/errors.ts';
import type { RepoId } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import {
  type FolderSource,
  lookAtFolder,
  refuseContradictions,
  uploadFolder,
} from '../wikiart/import-source.ts';
import pc from './colors.ts';
import { table } from './output.ts';

/** Options that take a local folder as the source. */
export interface FromOptions {
  from?: string;
  style?: string;
  trigger?: string;
}

/** Adds the options that take a local folder as the source. */
export function withFrom(command: Command): Command {
  return command
    .option(
      '--from <folder>',
      'train on the pictures in a folder, with .txt captions or a metadata file where there are any',
    )
    .option(
      '--style <name>',
      'style of the pictures in the folder; default: what the folder says, else its name',
    )
    .option('--trigger <words>', 'words that call the style up; default: "plnr" and the style');
}

/** Looks through the folder that was named and shows what is taken; null: none was named. Refuses what contradicts itself. */
export async function lookAtFrom(
  options: FromOptions,
  say: (line: string) => void,
): Promise<FolderSource | null> {
  if (options.from === undefined) {
    if (options.style !== undefined || options.trigger !== undefined)
      throw new PipelineError(
        'InvalidInput',
        'expected --from with --style or --trigger, got none: for another source set dataset.style and dataset.trigger',
      );
    return null;
  }
  const source = await lookAtFolder(options.from, {
    style: options.style ?? null,
    onFile: (done, total) => showProgress('looking at', done, total),
  });
  for (const line of describeFolder(source)) say(line);
  refuseContradictions(source);
  if (source.wanted < MIN_PICTURES)
    throw new PipelineError(
      'InvalidInput',
      `expected at least ${MIN_PICTURES} pictures of the style, got ${source.wanted} in ${source.folder}: add some, since what is measured on fewer says nothing`,
    );
  return source;
}

/** The table of what is taken of a folder and what is not, and how. */
export function describeFolder(source: FolderSource): string[] {
  const { lines, notes, style } = source;
  return [
    table(
      ['files', 'taken', 'what', 'such as'],
      lines.map(({ files: all, taken, what }) => [
        String(all.length),
        taken ? pc.green('yes') : pc.yellow('no'),
        what,
        `${all.slice(0, 3).map(printable).join(', ')}${all.length > 3 ? ', …' : ''}`,
      ]),
    ),
    `style ${pc.bold(style.name)}, from ${style.from}; ${source.wanted} pictures, ${source.captioned} with a caption of their own`,
    ...notes.map((note) => `  ${note}`),
  ];
}

/** A file's name without what would move the cursor or hide in the terminal. */
function printable(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}

/**
 * Puts a folder on the Hub and returns the part of a run's input that follows from it: source, style, trigger, name of the
 * model, settings for a small set, and what other styles it is compared with. What a person asked for goes over it.
 */
export async function takeFolder(
  p: { hub: Hub; source: FolderSource; options: FromOptions; config: RunConfig; namespace: string },
  say: (line: string) => void,
): Promise<Record<string, unknown>> {
  const { source, options, config } = p;
  const imported = await uploadFolder({
    ...{ hub: p.hub, source, namespace: p.namespace },
    onProgress: (done, total) => showProgress('reading', done, total),
  });
  say(
    `source: ${imported.pictures} pictures, ${imported.cached ? 'on the Hub already as' : 'put on the Hub as'} ${imported.repo}`,
  );
  const style = source.style.name;
  const trigger =
    options.trigger ??
    source.trigger ??
    `plnr ${style
      .replaceAll(/[_\s]+/g, ' ')
      .trim()
      .toLowerCase()}`.slice(0, 80);
  const small = smallSetSettings(source.wanted, config);
  const reference = source.hasOthers ? null : await findReference(p.hub, config);
  say(`trigger: ${trigger}`);
  if (source.wanted < SMALL_SET) say(`small set: ${describeSettings(small)}`);
  if (!source.hasOthers)
    say(
      reference === null
        ? 'no other styles to compare with: whether the style is met better than any other is not judged, and the verdict says so'
        : `other styles to compare with: ${reference}`,
    );
  const own = {
    model: slugOf(style),
    dataset: {
      source: imported.repo,
      style,
      trigger,
      columns: source.columns,
      ...(source.hasOthers ? {} : reference === null ? { neighborsPerStyle: 0 } : { reference }),
    },
  };
  return mergeDeep(small, own) as Record<string, unknown>;
}

/** {@link takeFolder} for a folder that was named, in the namespace that was asked for; nothing for none. */
export async function takeFrom(
  p: { hub: Hub; source: FolderSource | null; options: FromOptions; config: RunConfig },
  say: (line: string) => void,
): Promise<Record<string, unknown>> {
  if (p.source === null) return {};
  const namespace = p.config.namespace ?? (await p.hub.whoAmI());
  return takeFolder({ ...p, source: p.source, namespace }, say);
}

/** The profile's own source, where this Hub has it: it holds other styles to compare with. */
async function findReference(hub: Hub, config: RunConfig): Promise<RepoId | null> {
  const repo = config.dataset.reference ?? config.dataset.source;
  const commit = await hub.resolve({ type: 'dataset', repo }).catch(() => null);
  return commit === null ? null : repo;
}

/** A style as the name of a model: lower-case letters, digits and inner hyphens. */
export function slugOf(style: string): string {
  const slug = style
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replaceAll(/^-+|-+$/g, '');
  return slug || 'my-style';
}

function describeSettings(settings: Record<string, unknown>): string {
  return Object.entries(settings)
    .flatMap(([section, fields]) =>
      Object.entries(fields as Record<string, unknown>).map(
        ([field, value]) => `${section}.${field}=${value}`,
      ),
    )
    .join(' ');
}

function showProgress(what: string, done: number, total: number): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r  ${what} ${done} of ${total}${done === total ? '\n' : ''}`);
}

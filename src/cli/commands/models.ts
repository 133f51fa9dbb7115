import type { Command } from 'commander';
import { RollbackInput } from '../../domain/config/release-inputs.ts';
import { parseFields } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { Provenance } from '../../domain/release/provenance.ts';
import type { Hub } from '../../hub/hub.ts';
import { compareRules, type Difference, releaseDifferences, rulesOf } from '../../releases/compare.ts';
import { type Reference, referencesOf } from '../../releases/references.ts';
import { type ModelStanding, readModel, type Standing } from '../../releases/standing.ts';
import { mustParse } from '../../runs/start-run.ts';
import pc from '../colors.ts';
import { connectRunHub } from '../connect.ts';
import { action, type CommandContext, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';

type Options = CommonOptions & { model: string; namespace?: string };

/** Adds `models list`, `show`, `compare` and `lineage`: what was released, from what, and what is served. */
export function addModelsCommand(program: Command): void {
  const models = program
    .command('models')
    .description('releases: list, show, compare, and where they come from');
  const add = (name: string, what: string) =>
    models
      .command(name)
      .description(what)
      .option('--model <name>', 'name of the model', 'impressionist')
      .option('--namespace <name>', 'Hub user or organization; default: the token’s owner');

  action<Options>(
    add('list', 'every release, newest first, and what is in production'),
    async (context, options) => {
      const { standing } = await read(context, options);
      print(context.json, listJson(standing), () => listText(standing));
    },
  );

  action<Options>(
    add('show', 'one release: figures, files, journal').argument('[tag]', 'such as v2; default: production'),
    async (context, options, tag) => {
      const { hub, standing } = await read(context, options);
      const found = choose(standing, tag ?? standing.production, options);
      const rules = await rulesOf(hub, found.entry.provenance);
      print(context.json, { ...found.entry, state: found.state, rules, journal: found.journal }, () =>
        showText(found, rules),
      );
    },
  );

  action<Options>(
    add('compare', 'two releases side by side: figures, and all they differ in')
      .argument('<left>', 'such as v1')
      .argument('<right>', 'such as v2'),
    async (context, options, left, right) => {
      const { hub, standing } = await read(context, options);
      const [a, b] = [left, right].map((tag) => choose(standing, tag, options).entry.provenance) as [
        Provenance,
        Provenance,
      ];
      const figures = compareRules(await rulesOf(hub, a), await rulesOf(hub, b));
      const differs = releaseDifferences(a, b);
      print(context.json, { left: a.tag, right: b.tag, figures, differences: differs }, () =>
        compareText(a.tag, b.tag, figures, differs),
      );
    },
  );

  action<Options & { verify?: boolean }>(
    add('lineage', 'everything a release was made from, each at its commit')
      .argument('[tag]', 'such as v2; default: production')
      .option('--verify', 'look whether all of it is still on the Hub; exit code 5 if not'),
    async (context, options, tag) => {
      const { hub, standing } = await read(context, options);
      const { provenance } = choose(standing, tag ?? standing.production, options).entry;
      const references = referencesOf(provenance);
      const present =
        options.verify === true ? await Promise.all(references.map((r) => isThere(hub, r))) : null;
      const lines = references.map((ref, i) => ({ ...ref, present: present?.[i] ?? null }));
      print(context.json, { ...lineageFacts(provenance), references: lines }, () =>
        lineageText(provenance, lines),
      );
      if (present?.includes(false) === true) process.exitCode = 5;
    },
  );
}

async function read(
  { env, dataDir }: CommandContext,
  options: Options,
): Promise<{ hub: Hub; standing: ModelStanding }> {
  const { model, namespace } = mustParse(
    'models',
    parseFields(RollbackInput, { model: options.model, namespace: options.namespace ?? null }),
  );
  const hub = connectRunHub(env, dataDir);
  return { hub, standing: await readModel(hub, { model, namespace: namespace ?? (await hub.whoAmI()) }) };
}

function choose(standing: ModelStanding, tag: string | null | undefined, options: Options): Standing {
  const found = standing.releases.find((r) => r.entry.tag === tag);
  if (found !== undefined) return found;
  throw new PipelineError(
    'InvalidInput',
    `expected a release of ${options.model}, got ${tag == null ? 'none in production' : `"${tag}"`}: there are ${standing.releases.map((r) => r.entry.tag).join(', ') || 'none'}`,
  );
}

type Rules = Awaited<ReturnType<typeof rulesOf>>;

function listJson(standing: ModelStanding) {
  return {
    production: standing.production,
    previous: standing.previous,
    served: standing.served,
    agrees: standing.agrees,
    releases: standing.releases.map(({ entry, state, journal }) => ({
      tag: entry.tag,
      state,
      commit: entry.commit,
      sha256: entry.provenance.adapter.sha256,
      run: entry.provenance.context.run,
      heldOutLoss: entry.provenance.training.heldOutLoss,
      at: journal.at(-1)?.at ?? null,
    })),
  };
}

const TONE: Record<Standing['state'], (text: string) => string> = {
  production: pc.green,
  previous: pc.yellow,
  'released before': pc.dim,
  'taken back': pc.red,
  'never served': pc.dim,
};

function listText(standing: ModelStanding): string {
  const rows = standing.releases.map(({ entry: { tag, provenance }, state, journal }) => [
    pc.bold(tag),
    TONE[state](state),
    provenance.context.run,
    provenance.training.heldOutLoss?.toFixed(4) ?? '',
    provenance.adapter.sha256.slice(0, 12),
    when(journal.at(-1)?.at),
  ]);
  const space =
    standing.served === null
      ? 'no Space'
      : `the Space serves ${standing.served.tag}, ${standing.agrees ? 'the same bytes' : pc.red('NOT what production names')}`;
  return `${table(['release', 'state', 'run', 'held-out loss', 'sha256', 'last moved'], rows)}\n\nproduction is ${standing.production ?? 'empty'}; ${space}`;
}

function when(at: number | undefined): string {
  return at === undefined ? '' : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function showText(found: Standing, rules: Rules): string {
  const { tag, commit, provenance: p } = found.entry;
  return [
    `${pc.bold(`${p.model} ${tag}`)}  ${TONE[found.state](found.state)}`,
    `commit   ${commit}`,
    `run      ${p.context.run}, ${p.training.step} steps, held-out loss ${p.training.heldOutLoss?.toFixed(4) ?? 'not measured'}`,
    ...[p.adapter, ...p.exports].map((f) => `file     ${f.path}  ${f.bytes} bytes  sha256 ${f.sha256}`),
    ...(p.variants ?? []).flatMap((v) =>
      v.files.map((f) => `${v.kind.padEnd(8)} ${v.repo} ${f.path}  ${f.bytes} bytes  sha256 ${f.sha256}`),
    ),
    ...(p.approval === null ? [] : [`approved ${p.approval.by}: ${p.approval.reason}`]),
    '',
    ...rules.map((rule) => `${rule.outcome === 'pass' ? pc.green('✓') : pc.red('✗')} ${rule.sentence}`),
    '',
    ...found.journal.map(
      (line) =>
        `${when(line.at)}  ${line.action} ${line.state} by ${line.by}: ${line.problem ?? line.reason}`,
    ),
  ].join('\n');
}

function compareText(
  left: string,
  right: string,
  figures: ReturnType<typeof compareRules>,
  differs: Difference[],
): string {
  const cell = (f: { low: number | null; estimate: number | null; high: number | null } | null) =>
    f === null ? 'not measured' : `${short(f.estimate)} [${short(f.low)}, ${short(f.high)}]`;
  return [
    table(
      ['metric', left, right],
      figures.map((f) => [f.metric, cell(f.left), cell(f.right)]),
    ),
    '',
    table(
      ['differs in', left, right],
      differs.map((d) => [d.field, String(d.left ?? ''), String(d.right ?? '')]),
    ),
  ].join('\n');
}

function short(value: number | null): string {
  return value === null ? '–' : String(Number(value.toPrecision(3)));
}

function lineageFacts(p: Provenance) {
  return {
    model: p.model,
    tag: p.tag,
    adapterSha256: p.adapter.sha256,
    configFingerprint: p.configFingerprint,
    code: p.publisher,
    software: p.fingerprint,
    workflow: { id: p.context.workflowId, runId: p.context.runId },
    approval: p.approval,
  };
}

function lineageText(p: Provenance, references: (Reference & { present: boolean | null })[]): string {
  const mark = (present: boolean | null) =>
    present === null ? '' : present ? pc.green('there') : pc.red('GONE');
  return [
    `${pc.bold(`${p.model} ${p.tag}`)}  adapter sha256 ${p.adapter.sha256}`,
    '',
    table(
      ['part', 'repository', 'commit', 'path', ''],
      references.map((r) => [r.role, `${r.type} ${r.repo}`, r.commit, r.path ?? '', mark(r.present)]),
    ),
    '',
    `configuration  sha256 ${p.configFingerprint}`,
    `workflow       ${p.context.workflowId}, run ${p.context.runId}`,
    `published by   ${Object.entries(p.publisher)
      .map(([name, v]) => `${name} ${v}`)
      .join(', ')}`,
    `trained with   ${Object.entries(p.fingerprint)
      .filter(([name]) => /^(software|device)\./.test(name))
      .map(([name, v]) => `${name.replace(/^\w+\./, '')} ${v}`)
      .join(', ')}`,
  ].join('\n');
}

async function isThere(hub: Hub, ref: Reference): Promise<boolean> {
  const repo = { type: ref.type, repo: ref.repo };
  if ((await hub.resolve(repo, ref.commit)) === null) return false;
  if (ref.path === null) return true;
  const file = await hub.stat(repo, ref.commit, ref.path);
  return file !== null || (await hub.list(repo, ref.commit, ref.path)).length > 0;
}

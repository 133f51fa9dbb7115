/**
 * Good models and mutants through the real activities (openRun, prepare, train, evaluate, judge, publishRelease) and a
 * local Hub: `node scripts/ts.mjs bench/gate-mutants.ts [--quick] [--root FOLDER]`. Quick leaves out the four that train
 * or paint most; killed, it goes on in the same FOLDER. It ends with a table: who refused each, by which rule, with which
 * figures; and with exit code 1 where a mutant got through or a good model did not.
 */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { GateDecision } from '../src/domain/evaluation/decision.ts';
import { CommitSha, type RepoRef, Sha256 } from '../src/domain/refs.ts';
import type { RunContext } from '../src/domain/run/context.ts';
import { ADAPTER_FILE } from '../src/domain/training/checkpoint.ts';
import type { Training } from '../src/domain/training/training.ts';
import { sha256Of } from '../src/hub/hashing.ts';
import {
  type Candidate,
  dataRepo,
  deployRequest,
  modelRepo,
  openMutantStand,
  type Row,
  reasons,
  tableOf,
} from './mutants/stand.ts';

const asked = parseArgs({ options: { quick: { type: 'boolean' }, root: { type: 'string' } } }).values;
const stand = await openMutantStand(asked.root);
const { hub, root, dataset, open, train, upload, python } = stand;
const rows: Row[] = [];

function tell(row: Row): void {
  rows.push(row);
  console.log(`${row.right ? '' : 'WRONG '}${row.candidate}: ${row.outcome}`);
  for (const line of row.why) console.log(`    ${line}`);
}

/** Tries to publish; a PASS that deployment refuses was refused by it. */
async function published(c: Candidate, gate: GateDecision, good: boolean, why: string[]): Promise<void> {
  await stand.publish(deployRequest(stand, c, gate)).then(
    ({ tag }) =>
      tell({ candidate: c.name, outcome: `${gate.verdict}, published as ${tag}`, why, right: good }),
    (error: Error) => {
      const outcome = gate.verdict === 'PASS' ? 'refused by deployment' : `**${gate.verdict}**`;
      tell({ candidate: c.name, outcome, why: [...why, error.message.slice(0, 300)], right: !good });
    },
  );
}

/** Evaluates, judges and tries to publish. */
async function through(
  name: string,
  context: RunContext,
  training: Training,
  good = false,
): Promise<{ c: Candidate; gate: GateDecision } | null> {
  try {
    const evaluation = await stand.evaluate({ context, dataset, training });
    const c = { name, context, training, evaluation };
    const gate = await stand.judge({ context, evaluation });
    await published(c, gate, good, await reasons(stand, c, gate));
    return { c, gate };
  } catch (error) {
    tell({ candidate: name, outcome: 'refused by evaluate', why: [String(error)], right: !good });
    return null;
  }
}

/** A training with another adapter in its checkpoint: every B times `factor`. */
async function mutated(good: Training, factor: string): Promise<Training> {
  const copy = join(root, `checkpoint-${factor}`);
  const { type, repo, commit } = good.checkpoint;
  await hub.download({ repo: { type, repo }, commit, folder: good.path, toFolder: join(root, 'good') });
  await python('gate_mutate.py', join(root, 'good', ...good.path.split('/')), copy, factor);
  const checkpoint = await upload(modelRepo(`mutant-${factor}`), copy, `${good.path}/`);
  return { ...good, checkpoint, adapterSha256: sha256Of(await readFile(join(copy, ADAPTER_FILE))) };
}

/** A model that was trained far too long on the first `count` pictures of the dataset. */
async function overtrained(run: string, count: number): Promise<[RunContext, Training]> {
  const folder = join(root, run, 'few');
  await python('gate_few.py', await stand.localDataset(), folder, String(count));
  const wild = { steps: 1500, learningRate: 3e-3, rank: 32, alpha: 32, flip: 0, captionDropout: 0 };
  const context = await open(run, { training: { ...wild, checkpointEvery: 500, heldOutEvery: 500 } });
  return [context, await train(context, await upload(dataRepo(`${run}-few`), folder))];
}

/** Every picture of the good candidate replaced by one, on the Hub, as if it had been painted. */
async function collapsed(context: RunContext, good: Candidate): Promise<void> {
  const one = join(root, 'one.png');
  await python('gate_collapse.py', await stand.localDataset(), one, String(context.config.evaluation.size));
  const { type, repo, commit } = good.evaluation.report;
  const folder = join(root, 'collapse');
  await hub.download({ repo: { type, repo }, commit, folder: 'evaluation/candidate', toFolder: folder });
  const pictures = join(folder, 'evaluation', 'candidate');
  await python('gate_plant.py', pictures, one);
  const record: RepoRef = { type: 'dataset', repo: context.repos.record };
  await upload(record, pictures, `sampling/${good.training.adapterSha256.slice(0, 24)}/`);
  await rm(join(stand.workDir, 'pictures'), { recursive: true, force: true });
}

/** Another base, another trigger: before and after the measuring. */
async function swapped(good: Candidate): Promise<void> {
  const files = [{ path: 'README.md', content: 'another base' }];
  const ref = modelRepo('tiny-flux');
  const commit = await hub.commit({ repo: ref, message: 'Another base', files });
  const context = await open('swapped');
  await through('swapped base', { ...context, base: { ...context.base, commit } }, good.training);
  const asked = await open('trigger', { dataset: { trigger: 'oil on canvas' } });
  await through('wrong trigger', asked, good.training);
  const { config } = good.context;
  const foreign = {
    ...good.context,
    config: { ...config, dataset: { ...config.dataset, trigger: 'oil' } },
  };
  const c = { ...good, name: 'report of a set with another trigger' };
  const gate = await stand.judge({ context: foreign, evaluation: good.evaluation });
  await published(c, gate, false, await reasons(stand, c, gate));
}

/** The zero LoRA with the good model's verdict, and with its own after somebody wrote PASS into it. */
async function forged(zero: { c: Candidate; gate: GateDecision }, good: GateDecision): Promise<void> {
  const named = (name: string) => ({ ...zero.c, name });
  await published(named("another artifact's verdict"), good, false, []);
  const { record } = zero.gate;
  const repo: RepoRef = { type: 'dataset', repo: record.repo };
  const text = String(await hub.read(repo, record.commit, record.path));
  const content = text.replace('"verdict": "FAIL"', '"verdict": "PASS"');
  const files = [{ path: record.path, content }];
  const commit = CommitSha.parse(await hub.commit({ repo, message: 'Edit', files }));
  const passing = { ...zero.gate, verdict: 'PASS' as const };
  await published(named('edited verdict'), { ...passing, record: { ...record, commit } }, false, []);
  const sha256 = Sha256.parse(sha256Of(content));
  const right = { ...passing, record: { ...record, commit, sha256 } };
  await published(named('edited verdict, its hash put right'), right, false, []);
}

try {
  const first = await open('production', { seed: 2 });
  const production = await through('trained with another seed', first, await train(first), true);
  if (production === null) throw new Error('the twin was refused');
  await stand.deploy(deployRequest(stand, production.c, production.gate));
  const context = await open('good');
  const good = await through('good model beside it', context, await train(context), true);
  if (good?.gate.verdict !== 'PASS') throw new Error('the good model was refused');

  const { training } = good.c;
  const zero = await through('zero LoRA', await open('zero'), await mutated(training, '0'));
  if (asked.quick !== true) {
    await through('3 × the scale', await open('scale'), await mutated(training, '3'));
    await through('NaN weights', await open('nan'), await mutated(training, 'nan'));
    await through('copyist of six pictures', ...(await overtrained('copyist', 6)));
    await through('adapter collapsed to one picture', ...(await overtrained('collapsed', 1)));
  }
  const one = await open('collapse');
  await collapsed(one, good.c);
  await through('one picture for every prompt, made for CMMD', one, training);
  await swapped(good.c);
  if (zero !== null) await forged(zero, good.gate);

  // The good model is in production by now, and the twin was compared with nothing.
  await stand.deploy(deployRequest(stand, good.c, good.gate));
  const stale = { ...production.c, name: 'stale report' };
  const gate = await stand.judge({ context: await open('again', { seed: 2 }), evaluation: stale.evaluation });
  await published(stale, gate, false, await reasons(stand, stale, gate));
} finally {
  await stand.close();
}
const wrong = rows.filter(({ right }) => !right);
console.log(`\n${tableOf(rows)}\n\n${rows.length - 2} mutants, ${wrong.length} candidates went wrong`);
process.exit(wrong.length === 0 ? 0 : 1);

/**
 * Good models and mutants through the real activities (openRun, train, evaluate, judge, publishRelease) and a local Hub:
 * `node scripts/ts.mjs bench/gate-mutants.ts BASE DATASET MODELS`. A line each: who refused it, by which rule, with which
 * figures. BASE and DATASET are folders, MODELS comes from bench/gate_models.py (the six pictures of the copyist, and the
 * features that the collapse is made by). Exits with 1 where a mutant gets through or the good model does not.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createDeploy, createPublishRelease } from '../src/activities/deploy.ts';
import { createEvaluate } from '../src/activities/evaluate.ts';
import { createJudge } from '../src/activities/judge.ts';
import { createOpenRun } from '../src/activities/open-run.ts';
import { createTrain } from '../src/activities/train.ts';
import { pythonPath, readEnvironment } from '../src/config/env.ts';
import { PROJECT } from '../src/config/paths.ts';
import type {
  DeployRequest,
  Evaluation,
  GateDecision,
  RunContext,
  Training,
} from '../src/domain/activities.ts';
import { Verdict } from '../src/domain/gate.ts';
import { type CommitRef, CommitSha, RepoId, type RepoRef, Sha256 } from '../src/domain/refs.ts';
import { parseRunConfig } from '../src/domain/run-config.ts';
import { connectHub } from '../src/hub/client.ts';
import { sha256Of } from '../src/hub/hashing.ts';
import { readVerified } from '../src/hub/verified-json.ts';
import { startLocalHub } from '../src/local-hub/server.ts';
import { createTrainer } from '../src/trainer/process.ts';

const [base = '', data = '', models = ''] = process.argv.slice(2);
const python = pythonPath(readEnvironment());
const root = await mkdtemp(join(tmpdir(), 'plein-air-mutants-'));
const server = await startLocalHub({ root: join(root, 'hub') });
const hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
const trainer = createTrainer({
  ...{ python, packageFolder: join(PROJECT, 'gpu-worker', 'src'), log: () => undefined, killGraceMs: 500 },
});
const workDir = join(root, 'work');
const heartbeat = () => undefined;
const evaluate = createEvaluate({ hub, trainer, workDir, heartbeat });
const judge = createJudge({ hub });
const publish = createPublishRelease({ hub });
let failures = 0;

/** A run with its own record, its rules pinned. */
async function open(run: string, change: Record<string, unknown> = {}): Promise<RunContext> {
  const deployment = { space: false };
  const parsed = parseRunConfig({ run, profile: 'tiny', model: 'painter', deployment, ...change });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return createOpenRun({ hub })({ config: parsed.value, workflowId: run, runId: `${run}-1` });
}

async function train(context: RunContext, dataset: CommitRef): Promise<Training> {
  const info = {
    ...{ workflowExecution: { workflowId: context.workflowId, runId: context.runId } },
    ...{ activityId: 'train', attempt: 1 },
  };
  const activity = () => ({ info, heartbeat, cancellationSignal: new AbortController().signal });
  return createTrain({ hub, trainer, workDir: join(root, context.run), activity, log: () => undefined })({
    ...{ context, dataset, lane: 'main', parameters: {}, stopAtStep: null, acceptDifferences: [] },
  });
}

/** Puts a folder on the Hub. */
async function upload(repo: RepoRef, folder: string, at = ''): Promise<CommitRef> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: `${at}${file.slice(folder.length + 1)}`, content: { file } }));
  await hub.ensureRepo(repo);
  return { ...repo, commit: await hub.commit({ repo, message: 'Upload', files }) };
}
const modelRepo = (name: string): RepoRef => ({ type: 'model', repo: RepoId.parse(`plein-air/${name}`) });
const dataRepo = (name: string): RepoRef => ({ type: 'dataset', repo: RepoId.parse(`plein-air/${name}`) });

const ownBase = await upload(modelRepo('tiny-flux'), base);
const dataset = await upload(dataRepo('impressionism'), data);
// Where a run's pictures come from; nothing is read from it here.
await upload(dataRepo('generated-wikiart'), data);

function requestOf(p: {
  context: RunContext;
  training: Training;
  evaluation: Evaluation;
  gate: GateDecision;
}): DeployRequest {
  const images = { train: 0, held_out: 0, test: 0, neighbours: 0 };
  return { ...p, dataset: { dataset, images, dropped: {}, cached: true }, approval: null };
}

/** Evaluates, judges and tries to publish; who refuses it, and what the rules said. */
async function tell(name: string, context: RunContext, training: Training): Promise<DeployRequest | null> {
  const evaluation = await evaluate({ context, dataset, training }).catch((error: Error) => {
    console.log(`${name}: refused by evaluate: ${error.message}`);
    return null;
  });
  if (evaluation === null) return null;
  const request = requestOf({ context, training, evaluation, gate: await judge({ context, evaluation }) });
  await told(name, request);
  return request;
}

/** Publishing is tried in vain, and every rule that did not hold is named with its figures. */
async function told(name: string, request: DeployRequest): Promise<void> {
  const verdict = await readVerified(hub, request.gate.record, Verdict);
  console.log(`${name}: ${request.gate.verdict}`);
  const bad = verdict.rules.filter((rule) => rule.outcome !== 'pass').map((rule) => rule.sentence);
  for (const line of [...verdict.problems, ...bad]) console.log(`    ${line}`);
  const report = JSON.parse(
    String(
      await hub.read(
        request.evaluation.report,
        request.evaluation.report.commit,
        request.evaluation.report.path,
      ),
    ),
  );
  for (const metric of ['cmmd.improvement', 'copying.close', 'diversity.vendi', 'style.marginGain']) {
    const { estimate, low, high } = report.metrics[metric];
    console.log(`    (${metric} ${[estimate, low, high].map((v) => v?.toPrecision(3)).join(' ')})`);
  }
  await refused(name, request);
}

async function refused(name: string, request: DeployRequest): Promise<void> {
  await publish(request).then(
    ({ tag }) => {
      if (request.gate.verdict !== 'PASS' || name.startsWith('mutant')) failures += 1;
      console.log(`    published as ${tag}`);
    },
    (error: Error) => console.log(`    refused by deployment: ${error.message.slice(0, 220)}`),
  );
}

/** The good training with another adapter in its checkpoint. */
async function mutated(good: Training, factor: string): Promise<Training> {
  const copy = join(root, `checkpoint-${factor}`);
  const { type, repo, commit } = good.checkpoint;
  await hub.download({ repo: { type, repo }, commit, folder: good.path, toFolder: join(root, 'good') });
  const source = join(root, 'good', ...good.path.split('/'));
  await execa(python, [join(PROJECT, 'bench', 'gate_mutate.py'), source, copy, factor]);
  const checkpoint = await upload(modelRepo(`mutant-${factor}`), copy, `${good.path}/`);
  const adapter = await readFile(join(copy, 'pytorch_lora_weights.safetensors'));
  return { ...good, checkpoint, adapterSha256: sha256Of(adapter) };
}

/** Every picture of the good candidate replaced by one, on the Hub, as if it had been painted. */
async function collapsed(context: RunContext, good: DeployRequest): Promise<void> {
  const one = join(root, 'one.png');
  await execa(python, [join(PROJECT, 'bench', 'gate_collapse.py'), models, one]);
  const { type, repo, commit } = good.evaluation.report;
  const folder = join(root, 'collapse');
  await hub.download({ repo: { type, repo }, commit, folder: 'evaluation/candidate', toFolder: folder });
  const pictures = join(folder, 'evaluation', 'candidate');
  const manifest = JSON.parse(await readFile(join(pictures, 'manifest.json'), 'utf8'));
  const sha256 = sha256Of(await readFile(one));
  for (const entry of manifest.samples) {
    await copyFile(one, join(pictures, `${entry.id}.png`));
    entry.sha256 = sha256;
  }
  await writeFile(join(pictures, 'manifest.json'), JSON.stringify(manifest));
  const record: RepoRef = { type: 'dataset', repo: context.repos.record };
  await upload(record, pictures, `sampling/${manifest.adapterSha256.slice(0, 24)}/`);
  await rm(join(workDir, 'pictures'), { recursive: true, force: true });
}

try {
  const first = await open('production', { seed: 2 });
  const production = await tell('twin, seed 2', first, await train(first, dataset));
  if (production === null) throw new Error('the twin was refused');
  await createDeploy({ hub })(production);

  const context = await open('good');
  const training = await train(context, dataset);
  const good = await tell('good, seed 0', context, training);
  if (good?.gate.verdict !== 'PASS') throw new Error('the good model was refused');

  for (const factor of ['0', '3', 'nan'])
    await tell(`mutant: B × ${factor}`, await open(`mutant-${factor}`), await mutated(training, factor));
  const wild = { steps: 1500, learningRate: 3e-3, rank: 32, alpha: 32, flip: 0, captionDropout: 0 };
  const copyist = await open('copyist', { training: { ...wild, checkpointEvery: 500, heldOutEvery: 500 } });
  const few = await upload(dataRepo('few'), join(models, 'few'));
  await tell('mutant: copyist of six pictures', copyist, await train(copyist, few));
  const collapse = await open('collapse');
  await collapsed(collapse, good);
  await tell('mutant: one picture', collapse, training);

  const swapped = await open('swapped');
  const files = [{ path: 'README.md', content: 'another base' }];
  const commit = await hub.commit({ repo: modelRepo('tiny-flux'), message: 'Another base', files });
  await tell('mutant: swapped base', { ...swapped, base: { ...ownBase, commit } }, training);
  await tell(
    'mutant: wrong trigger',
    await open('trigger', { dataset: { trigger: 'oil on canvas' } }),
    training,
  );

  console.log('mutant: report of a set with another trigger');
  const { config } = context;
  const foreign = { ...context, config: { ...config, dataset: { ...config.dataset, trigger: 'oil' } } };
  await told('mutant', { ...good, gate: await judge({ context: foreign, evaluation: good.evaluation }) });

  const zero = await open('mutant-0');
  const nothing = await mutated(training, '0');
  const evaluation = await evaluate({ context: zero, dataset, training: nothing });
  const gate = await judge({ context: zero, evaluation });
  console.log("mutant: another artefact's verdict");
  await refused('mutant', requestOf({ context: zero, training: nothing, evaluation, gate: good.gate }));
  console.log('mutant: edited verdict');
  const record: RepoRef = { type: 'dataset', repo: gate.record.repo };
  const text = String(await hub.read(record, gate.record.commit, gate.record.path));
  const path = gate.record.path;
  const edited = [{ path, content: text.replace('"verdict": "FAIL"', '"verdict": "PASS"') }];
  const at = CommitSha.parse(await hub.commit({ repo: record, message: 'Edit', files: edited }));
  const passing = { ...gate, verdict: 'PASS' as const };
  await refused(
    'mutant',
    requestOf({
      context: zero,
      training: nothing,
      evaluation,
      gate: { ...passing, record: { ...gate.record, commit: at } },
    }),
  );
  console.log('mutant: edited verdict, its hash put right');
  const sha256 = Sha256.parse(sha256Of(edited[0]?.content ?? ''));
  await refused(
    'mutant',
    requestOf({
      context: zero,
      training: nothing,
      evaluation,
      gate: { ...passing, record: { ...gate.record, commit: at, sha256 } },
    }),
  );

  console.log('mutant: stale report: the good model is in production by now, the twin comes again');
  await createDeploy({ hub })(good);
  const again = await open('again', { seed: 2 });
  const stale = await judge({ context: again, evaluation: production.evaluation });
  await told('mutant', { ...production, gate: stale });
  console.log(failures === 0 ? 'every mutant was refused' : `${failures} got through`);
} finally {
  await trainer.close();
  await server.close();
  await rm(root, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { RunConfig } from '../domain/config/run-config.ts';
import type { CommitRef, Sha256 } from '../domain/refs.ts';
import { LICENSE_FILE, noticeOf } from '../domain/release/license.ts';
import { PROVENANCE_FILE, type Provenance } from '../domain/release/provenance.ts';
import { JUDGED_PICTURES, type SmokeRequest } from '../domain/release/space-trial.ts';
import type { ReleaseSample } from '../domain/release/title.ts';
import type { PipelineActivities } from '../domain/run/activities.ts';
import { ADAPTER_FILE } from '../domain/training/checkpoint.ts';
import { cardFields } from '../hub/card-fields.ts';
import { fingerprintOf, sha256Of } from '../hub/hashing.ts';
import type { Hub, HubContent } from '../hub/hub.ts';
import { modelCard, spaceCard } from '../reports/cards/cards.ts';
import { sampleGrid } from '../reports/figures/grids.ts';
import { svgToPng, trainingCurves } from '../reports/figures/plots.ts';
import { readEvaluationRecords } from '../reports/records/evaluation-records.ts';
import {
  readCheckpointManifest,
  readManifest,
  readTrainingRecords,
} from '../reports/records/from-records.ts';
import type { SampleRow } from '../reports/records/run-records.ts';
import { SMOKE_FOLDER, SPACE_PROMPT_LIMIT } from '../space/space-repo.ts';
import type { LicenseWithText } from './base-license.ts';
import { codeCommit } from './code-commit.ts';
import { refuseUnreadableExport } from './kohya-names.ts';

type Request = Parameters<PipelineActivities['deploy']>[0];

/** Everything that one release commit holds. */
export interface ReleaseFiles {
  provenance: Provenance;
  files: { path: string; content: HubContent }[];
}

/** What the card and the Space show of the standard samples. */
const SHOWN = { prompts: 8, seeds: 2 };

/** Builds a release from the run's records: weights, lineage, documents and the Space that goes with it. */
export async function releaseFiles(p: {
  hub: Hub;
  request: Request;
  tag: string;
  adapter: { bytes: Buffer; sha256: Sha256 };
  license: LicenseWithText;
  /** Files below `space/`: the app as it will serve this release for ever. */
  app: { path: string; content: Buffer }[];
}): Promise<ReleaseFiles> {
  const exports = await readExports(p.hub, p.request);
  const provenance = await lineage(p, exports);
  return {
    provenance,
    files: [
      { path: ADAPTER_FILE, content: p.adapter.bytes },
      ...exports.map((e) => ({ path: e.path, content: e.bytes })),
      { path: PROVENANCE_FILE, content: `${JSON.stringify(provenance, null, 2)}\n` },
      ...(await releaseDocuments(p.hub, provenance)),
      ...(p.license.text === null ? [] : [{ path: LICENSE_FILE, content: p.license.text }]),
      ...p.app,
    ],
  };
}

/** Card, notice, pictures and the Space's README of a release: a function of its lineage and of the records it names. */
export async function releaseDocuments(
  hub: Hub,
  provenance: Provenance,
): Promise<{ path: string; content: string | Buffer }[]> {
  const { context } = provenance;
  const { report, verdict, adapter } = provenance.evaluation;
  const [evaluation, training, manifest] = await Promise.all([
    readEvaluationRecords(hub, {
      evaluation: { report, adapter, summary: '' },
      gate: { verdict: provenance.overruled ?? 'PASS', reasons: [], record: verdict },
      shown: SHOWN,
      closest: 0,
    }),
    readTrainingRecords(hub, provenance.training.checkpoint),
    readManifest(hub, provenance.dataset),
  ]);
  const pictures = releasePictures(evaluation.samples);
  const hasCurves = training.curves.loss.length + training.curves.heldOut.length > 0;
  const hasGrid = evaluation.samples.length > 0;
  const samples = pictures.map(({ path, prompt }) => ({ path, prompt }));
  const card = modelCard({
    provenance,
    gate: evaluation.gate,
    ...(evaluation.standing === undefined ? {} : { standing: evaluation.standing }),
    informative: evaluation.informative,
    samples,
    images: manifest === null ? null : imagesOf(manifest.images),
    curves: hasCurves,
    grid: hasGrid,
  });
  const grid = evaluation.samples.map((row) => ({ prompt: row.prompt, pairs: row.pairs }));
  const curves = { ...training.curves, preemptions: training.preemptionSteps };
  return [
    { path: 'README.md', content: card },
    { path: 'NOTICE', content: `${noticeOf(provenance.license, context.base.repo)}\n` },
    ...pictures.map((s) => ({ path: s.path, content: s.bytes })),
    ...smokeFiles(evaluation.samples, context.config),
    ...(hasGrid ? [{ path: 'images/grid.png', content: await sampleGrid(grid) }] : []),
    ...(hasCurves
      ? [{ path: 'images/training.png', content: await svgToPng(await trainingCurves(curves)) }]
      : []),
    { path: 'space/README.md', content: spaceCard(provenance) },
    { path: 'space/samples.json', content: `${JSON.stringify(samples, null, 2)}\n` },
  ];
}

function imagesOf(images: Record<string, number>): { train: number; held_out: number } {
  return { train: images.train ?? 0, held_out: images.held_out ?? 0 };
}

/** The candidate's picture of each prompt at its first seed: what the card and the Space show. */
function releasePictures(rows: SampleRow[]): (ReleaseSample & { bytes: Buffer })[] {
  return rows
    .flatMap((row) => {
      const first = row.pairs.find((pair) => pair.candidate !== null);
      return first?.candidate == null
        ? []
        : [{ path: `images/${first.id}.png`, prompt: row.prompt, bytes: first.candidate }];
    })
    .slice(0, SHOWN.prompts);
}

/**
 * A judged sample of each slice: what the Space is asked for before it goes into production. Its app adds the trigger to
 * prompts that have none, so that only prompts with it are painted as they were judged.
 */
function smokeFiles(rows: SampleRow[], config: RunConfig): { path: string; content: string | Buffer }[] {
  const slices = new Set<string>();
  const trigger = config.dataset.trigger.toLowerCase();
  const judged = rows.flatMap(({ prompt, slice, pairs }) => {
    const pair = pairs.find(({ base, candidate }) => base !== null && candidate !== null);
    if (pair?.base == null || pair.candidate == null || slices.has(slice)) return [];
    if (!prompt.toLowerCase().includes(trigger) || prompt.length > SPACE_PROMPT_LIMIT) return [];
    slices.add(slice);
    const request: SmokeRequest = { id: pair.id, prompt, seed: pair.seed, size: config.evaluation.size };
    return [{ request, base: pair.base, painted: pair.candidate }];
  });
  const chosen = judged.slice(0, JUDGED_PICTURES);
  const requests = `${JSON.stringify(
    chosen.map(({ request }) => request),
    null,
    2,
  )}\n`;
  return [
    { path: `${SMOKE_FOLDER}/requests.json`, content: requests },
    ...chosen.flatMap(({ request: { id }, base, painted }) => [
      { path: `${SMOKE_FOLDER}/${id}-base.png`, content: base },
      { path: `${SMOKE_FOLDER}/${id}-painted.png`, content: painted },
    ]),
  ];
}

interface Export {
  format: string;
  path: string;
  bytes: Buffer;
  sha256: Sha256;
}

/** The adapter in other tools' formats, as the evaluation exported it beside the one that was judged. */
async function readExports(hub: Hub, request: Request): Promise<Export[]> {
  const { adapter } = request.evaluation;
  const folder = adapter.path.slice(0, adapter.path.lastIndexOf('/'));
  const repo = { type: adapter.type, repo: adapter.repo };
  const listed = await hub.list(repo, adapter.commit, folder);
  const others = listed.filter((f) => f.path !== adapter.path && f.path.endsWith('.safetensors'));
  return Promise.all(
    others.map(async (file) => {
      const bytes = (await hub.read(repo, adapter.commit, file.path)) ?? Buffer.alloc(0);
      refuseUnreadableExport(`${adapter.repo}:${file.path}`, bytes);
      return {
        format: 'kohya',
        path: `${request.context.config.model}_kohya.safetensors`,
        bytes,
        sha256: sha256Of(bytes) as Sha256,
      };
    }),
  );
}

async function lineage(
  p: {
    hub: Hub;
    request: Request;
    tag: string;
    adapter: { bytes: Buffer; sha256: Sha256 };
    license: LicenseWithText;
  },
  exports: Export[],
): Promise<Provenance> {
  const { context, training, dataset, evaluation, gate, approval, variants } = p.request;
  const manifest = await readCheckpointManifest(p.hub, training);
  const accepted = manifest?.acceptedDifferences ?? [];
  return {
    format: 1,
    model: context.config.model,
    tag: p.tag,
    adapter: { path: ADAPTER_FILE, bytes: p.adapter.bytes.length, sha256: p.adapter.sha256 },
    exports: exports.map((e) => ({
      format: e.format,
      path: e.path,
      bytes: e.bytes.length,
      sha256: e.sha256,
    })),
    ...(variants === undefined || variants.length === 0 ? {} : { variants }),
    dataset: dataset.dataset,
    datasetLicense: await licenseOfDataset(p.hub, dataset.dataset),
    license: p.license.license,
    evaluation: { report: evaluation.report, verdict: gate.record, adapter: evaluation.adapter },
    approval,
    ...(gate.verdict === 'PASS' ? {} : { overruled: gate.verdict }),
    training,
    context,
    configFingerprint: fingerprintOf(context.config),
    fingerprint: manifest?.fingerprint ?? {},
    ...(accepted.length === 0 ? {} : { acceptedDifferences: accepted }),
    publisher: await publisherVersions(),
  };
}

/** The license that a dataset's card states, by the more telling of its names. */
async function licenseOfDataset(hub: Hub, { type, repo, commit }: CommitRef): Promise<string | null> {
  const card = (await hub.read({ type, repo }, commit, 'README.md'))?.toString('utf8') ?? '';
  const { license, license_name: name } = cardFields(card);
  return typeof name === 'string' ? name : typeof license === 'string' ? license : null;
}

/** Version and code commit of the worker that publishes: the commit from its checkout, or from what built it. */
async function publisherVersions(): Promise<Record<string, string>> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(text));
  return { 'plein-air': version, commit: (await codeCommit()) ?? 'unknown', node: process.versions.node };
}

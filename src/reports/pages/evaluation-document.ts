import { CHOICE_FILE, CheckpointChoice } from '../../domain/evaluation/checkpoint-ranking.ts';
import type { Evaluation } from '../../domain/evaluation/decision.ts';
import type { Verdict } from '../../domain/evaluation/gate.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';
import { checkpointSection } from '../figures/checkpoint-curves.ts';
import { readEvaluationRecords } from '../records/evaluation-records.ts';
import { NO_EVALUATION, NO_TRAINING } from '../records/from-records.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { ReportDocument, Section } from '../render/blocks.ts';
import { toHtml } from '../render/html.ts';
import { toMarkdown } from '../render/markdown-report.ts';
import { judgmentSections } from './report-judgment.ts';
import { reportBuild, verdictTone } from './run-report.ts';

/** Every prompt is shown at its first seed; the other pictures lie beside the page. */
const SHOWN = { prompts: 100, seeds: 1 };
const CLOSEST = 8;

/** `evaluation/index.html` and `evaluation/report.md` with their plots: what was measured, and what follows from it. */
export async function evaluationDocuments(
  hub: Hub,
  p: { context: RunContext; evaluation: Evaluation; verdict: Verdict },
): Promise<{ path: string; content: string | Buffer }[]> {
  const { context, evaluation, verdict } = p;
  const evaluated = await readEvaluationRecords(hub, {
    evaluation,
    gate: null,
    verdict,
    shown: SHOWN,
    closest: CLOSEST,
  });
  const records: RunRecords = { ...nothingBut(context, evaluation), endpoint: hub.endpoint, ...evaluated };
  const build = reportBuild(records);
  const { pictures, gate, copying } = await judgmentSections(build, { folder: '.', grid: false });
  const depth = await checkpointSection(await readChoice(hub, evaluation), {
    files: build.files,
    source: build.file({ ...evaluation.report, path: CHOICE_FILE }),
  });
  const sections: Section[] = [...gate, ...pictures, ...copying, ...depth];
  const document: ReportDocument = {
    title: `Evaluation of ${context.run}`,
    subtitle: `Plein Air · ${context.config.model} · ${context.config.evaluation.promptSet} · ${context.config.dataset.style}`,
    outcome: {
      word: verdict.verdict,
      tone: verdictTone(verdict.verdict),
      sentence: sentenceOn(verdict),
    },
    facts: [
      ['Adapter sha256', { code: verdict.adapterSha256 }],
      [
        'Look',
        `${verdict.look ?? 1} of ${verdict.looks ?? 1}, each bound one-sided at ${percent(verdict.confidence)}`,
      ],
      ...(verdict.rivals ?? []).map(({ name, tag }): [string, string] => [
        name === 'best' ? 'Best ever' : 'In production',
        tag,
      ]),
    ],
    sections,
    footer: ['Written by Plein Air from the stored report; the same report gives the same bytes.'],
  };
  return [
    { path: 'evaluation/index.html', content: toHtml(document) },
    { path: 'evaluation/report.md', content: toMarkdown(document) },
    ...build.files.map((file) => ({ path: `evaluation/${file.path}`, content: file.content })),
  ];
}

/** Why this checkpoint was taken, as it stood when the evaluation was stored; null: there was nothing to choose. */
async function readChoice(hub: Hub, { report }: Evaluation): Promise<CheckpointChoice | null> {
  const bytes = await hub.read({ type: report.type, repo: report.repo }, report.commit, CHOICE_FILE);
  return bytes === null ? null : (CheckpointChoice.safeParse(jsonOrNull(bytes)).data ?? null);
}

function percent(confidence: number): string {
  return `${Number((confidence * 100).toFixed(3))} %`;
}

function sentenceOn(verdict: Verdict): string {
  const of = (outcome: string) => verdict.rules.filter((rule) => rule.outcome === outcome);
  const first = [...verdict.problems, ...of('fail').map((rule) => rule.sentence)][0];
  if (verdict.verdict === 'PASS') return `All ${verdict.rules.length} rules hold on their bounds.`;
  if (verdict.verdict === 'FAIL') return first ?? 'A rule does not hold.';
  return `${of('inconclusive').length} of ${verdict.rules.length} rules are undecided at this many pictures.`;
}

/** Records of a run of which only the evaluation is known. */
function nothingBut(context: RunContext, evaluation: Evaluation): Omit<RunRecords, 'endpoint'> {
  const summary: RunSummary = {
    ...{ context, evaluation, phases: [], dataset: null, analysis: null, study: null, training: null },
    ...{ gate: null, approval: null, release: null, failure: null },
  };
  return {
    ...{ summary, manifest: null, contactSheets: { kept: null, dropped: null } },
    ...NO_TRAINING,
    gpuSessions: null,
    ...NO_EVALUATION,
    fingerprint: {},
    validationImages: [],
  };
}

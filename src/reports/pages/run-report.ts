import { variantRepo } from '../../domain/config/variants.ts';
import { totalCost } from '../../domain/gpu-source/session.ts';
import { describeOutcome, type Outcome, outcomeOf } from '../../domain/run/outcome.ts';
import type { PhaseRecord } from '../../domain/run/phases.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { Block, ReportDocument, Rich, Section, Tone } from '../render/blocks.ts';
import { duration, figure, moment } from '../render/markdown.ts';
import type { ReportBuild, ReportFile } from './report-build.ts';
import { costSection, meteredSeconds, priceOf } from './report-costs.ts';
import { dataSection } from './report-data.ts';
import { judgmentSections } from './report-judgment.ts';
import { trainingSections } from './report-training.ts';

/** The report of a run: every section that the run reached, from stored records alone. */
export async function runReport(
  records: RunRecords,
): Promise<{ document: ReportDocument; files: ReportFile[] }> {
  const build = reportBuild(records);
  const { summary } = records;
  const { context } = summary;
  const judgment = await judgmentSections(build, { folder: '../evaluation', grid: true });
  const sections = [
    phaseSection(summary),
    ...judgment.pictures,
    ...judgment.gate,
    ...(await trainingSections(build)),
    ...costSection(records),
    ...(await dataSection(build)),
    ...judgment.copying,
    ...releaseSection(build),
    decisionSection(summary),
    provenanceSection(build),
  ];
  return {
    files: build.files,
    document: {
      title: `Run ${context.run}`,
      subtitle: `Plein Air · ${context.config.model} · ${context.config.dataset.style} · profile ${context.config.profile}`,
      outcome: outcome(summary),
      facts: headFacts(records),
      sections,
      footer: [
        'Written by Plein Air from the stored records of this run; the same records give the same bytes. ',
        { link: 'summary.json', href: '../records/summary.json' },
      ],
    },
  };
}

/** A report in the making: links that lead to a run's Hub, no files yet. */
export function reportBuild(records: RunRecords): ReportBuild {
  const url: ReportBuild['url'] = (ref) =>
    `${repoUrl(records.endpoint, ref)}/resolve/${ref.commit}/${ref.path}`;
  return {
    records,
    files: [],
    url,
    file: (ref) => [
      { link: ref.path, href: url(ref) },
      ' in ',
      { code: ref.repo },
      ' at ',
      { code: ref.commit.slice(0, 8) },
    ],
    commit: (ref) => [
      { link: ref.repo, href: `${repoUrl(records.endpoint, ref)}/tree/${ref.commit}` },
      ' at ',
      { code: ref.commit.slice(0, 12) },
    ],
  };
}

function repoUrl(endpoint: string, ref: { type: string; repo: string }): string {
  return `${endpoint}/${ref.type === 'model' ? '' : `${ref.type}s/`}${ref.repo}`;
}

function outcome(summary: RunSummary): ReportDocument['outcome'] {
  const known = outcomeOf(summary);
  const { word, sentence } = describeOutcome(known);
  return { word, tone: OUTCOME_TONES[known.kind], sentence: firstSentence(sentence) };
}

/** Color of an outcome. */
export const OUTCOME_TONES: Record<Outcome['kind'], Tone> = {
  released: 'good',
  'released-against-gate': 'unsure',
  refused: 'bad',
  inconclusive: 'unsure',
  rejected: 'bad',
  'not-approved': 'unsure',
  waiting: 'unsure',
  cancelled: 'unsure',
  failed: 'bad',
  unfinished: 'quiet',
};

function firstSentence(text: string): string {
  const line = text.split('\n')[0] ?? '';
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function headFacts({ summary, gpuSessions }: RunRecords): [string, Rich][] {
  const { training, dataset, gate, release } = summary;
  const facts: [string, Rich][] = [];
  if (gate !== null) facts.push(['Verdict', { mark: gate.verdict, tone: verdictTone(gate.verdict) }]);
  if (release !== null) facts.push(['In production', release.release.tag]);
  if (dataset !== null) facts.push(['Training pictures', String(dataset.images.train)]);
  if (training !== null) {
    facts.push(['Steps', `${training.step} of ${training.steps}`]);
    facts.push(['Held-out loss', figure(training.heldOutLoss)]);
    facts.push([
      'Interruptions',
      training.preemptions === 0
        ? 'none'
        : `${training.preemptions}, ${training.repeatedSteps} steps repeated`,
    ]);
    facts.push(['GPU time', duration(training.gpuSeconds)]);
  }
  const gpuHours = summary.context.config.budget.gpuHours;
  if (training !== null)
    facts.push(['GPU budget used', `${(training.gpuSeconds / 36 / gpuHours).toFixed(1)} % of ${gpuHours} h`]);
  const cost = priceOf(meteredSeconds(summary), summary);
  if (cost !== null && meteredSeconds(summary) > 0) facts.push(['Cost of GPU time', cost]);
  if (gpuSessions !== null)
    facts.push(['Cost of GPU sessions', totalCost(gpuSessions.sessions, gpuSessions.at)]);
  const total = elapsed(summary.phases);
  if (total !== null) facts.push(['From start to end', duration(total)]);
  return facts;
}

function elapsed(phases: PhaseRecord[]): number | null {
  const starts = phases.flatMap((p) => (p.startedAt === null ? [] : [p.startedAt]));
  const ends = phases.flatMap((p) => (p.endedAt === null ? [] : [p.endedAt]));
  return starts.length === 0 || ends.length === 0 ? null : (Math.max(...ends) - Math.min(...starts)) / 1000;
}

const STATUS: Record<PhaseRecord['status'], [string, Tone]> = {
  pending: ['not reached', 'quiet'],
  running: ['running', 'unsure'],
  done: ['done', 'good'],
  cached: ['known already', 'good'],
  skipped: ['skipped', 'quiet'],
  failed: ['failed', 'bad'],
  cancelled: ['cancelled', 'unsure'],
};

function phaseSection(summary: RunSummary): Section {
  // The report is written inside the last phase: what is known of that one is only that it runs.
  const phases = summary.phases.filter((p) => p.name !== 'document');
  const failure: Block[] =
    summary.failure === null
      ? []
      : [
          {
            kind: 'paragraph',
            text: [{ strong: 'What went wrong: ' }, describeOutcome(outcomeOf(summary)).sentence],
          },
        ];
  return {
    id: 'phases',
    title: 'What happened',
    source: [{ link: 'records/summary.json', href: '../records/summary.json' }],
    blocks: [...failure, phaseTable(phases)],
  };
}

/** What each phase did, and when. */
export function phaseTable(phases: readonly PhaseRecord[]): Block {
  return {
    kind: 'table',
    head: ['phase', 'outcome', 'result', 'began (UTC)', 'took'],
    right: [4],
    rows: phases.map((p) => {
      const [word, tone] = STATUS[p.status];
      const seconds = p.startedAt === null || p.endedAt === null ? null : (p.endedAt - p.startedAt) / 1000;
      return [
        { strong: p.name },
        { mark: word, tone },
        p.result,
        p.startedAt === null ? '' : moment(p.startedAt),
        seconds === null ? '' : duration(seconds),
      ];
    }),
  };
}

function spaceFacts(release: NonNullable<RunSummary['release']>): [string, Rich][] {
  const { trial } = release;
  switch (trial?.outcome) {
    case undefined:
      return [];
    case 'not-run':
      return [['Tried in the Space', 'no: this Hub keeps Spaces without running them']];
    case 'unhealthy':
      return [['Tried in the Space', [{ mark: 'unwell', tone: 'bad' }, ` ${trial?.problem ?? ''}`]]];
    case 'healthy':
      return [
        [
          'Tried in the Space',
          [
            { mark: 'healthy', tone: 'good' },
            `, up after ${duration(trial?.startSeconds ?? 0)}, painted in ${duration(trial?.paintSeconds ?? 0)}`,
          ],
        ],
        [
          'Nearer to the judged picture than to the base’s by',
          trial?.styleMargin == null ? 'not measured' : figure(trial.styleMargin),
        ],
        [
          'Farthest from a picture that the gate judged',
          trial?.distance == null ? 'not measured' : figure(trial.distance),
        ],
      ];
  }
}

function releaseSection({ records, commit }: ReportBuild): Section[] {
  const { release } = records.summary;
  if (release === null) return [];
  const items: [string, Rich][] = [
    [
      'Model',
      [
        ...commit({ type: 'model', repo: release.release.repo, commit: release.release.commit }),
        ', tag ',
        { code: release.release.tag },
      ],
    ],
    ['Adapter sha256', { code: release.release.sha256 }],
    [
      'Before it',
      release.previousTag === null ? 'nothing: this is the first release' : { code: release.previousTag },
    ],
  ];
  if (release.space !== null)
    items.push(['Space', commit({ type: 'space', repo: release.space.repo, commit: release.space.commit })]);
  items.push(...spaceFacts(release));
  for (const kind of records.summary.context.config.deployment.variants)
    items.push([
      `Whole transformer, ${kind}`,
      [{ code: variantRepo(release.release.repo, kind) }, ', tag ', { code: release.release.tag }],
    ]);
  return [
    {
      id: 'release',
      title: 'What was released, and where',
      source: [
        { code: 'provenance.json' },
        ' and ',
        { code: 'deployments.jsonl' },
        ' in ',
        { code: release.release.repo },
      ],
      blocks: [
        { kind: 'facts', items },
        {
          kind: 'paragraph',
          text: [
            'Back to the release before: ',
            { code: `plein-air rollback ${records.summary.context.config.model}` },
          ],
        },
      ],
    },
  ];
}

function decisionSection(summary: RunSummary): Section {
  const decisions: Rich[] = [];
  const { analysis, study, gate, approval } = summary;
  if (analysis !== null) decisions.push([`Data: ${analysis.verdict}. `, analysis.reasons.join(' ')]);
  if (study !== null)
    decisions.push(
      study.sure === ''
        ? `Hyperparameters: trial ${study.chosen} of ${study.trials.length}, by ${study.strategy}, lowest held-out loss.`
        : `Hyperparameters, by ${study.strategy}: ${study.sure}`,
    );
  if (gate !== null) decisions.push(`Gate: ${gate.verdict}, by the rules of the configuration.`);
  if (approval !== null)
    decisions.push([
      `${approval.decision === 'approved' ? 'Approved' : 'Rejected'} by `,
      { strong: approval.by },
      ` on ${new Date(approval.at).toISOString().slice(0, 16).replace('T', ' at ')} UTC: ${approval.reason}`,
    ]);
  if (decisions.length === 0) decisions.push('None was taken: the run ended before the first.');
  return { id: 'decisions', title: 'Decisions', source: null, blocks: [{ kind: 'list', items: decisions }] };
}

function provenanceSection({ records, file, commit }: ReportBuild): Section {
  const { context, dataset, training, evaluation, gate } = records.summary;
  const rows: Rich[][] = [
    ['base model', commit(context.base)],
    ['source pictures', commit(context.source)],
  ];
  if (dataset !== null) rows.push(['prepared dataset', commit(dataset.dataset)]);
  if (training !== null) {
    rows.push(['checkpoint', [...commit(training.checkpoint), ', ', { code: training.path }]]);
    rows.push(['trained adapter', { code: training.adapterSha256 }]);
  }
  if (evaluation !== null) {
    rows.push(['evaluation', file(evaluation.report)]);
    rows.push(['judged adapter', file(evaluation.adapter)]);
  }
  if (gate !== null) rows.push(['verdict', file(gate.record)]);
  rows.push(['workflow', [{ code: context.workflowId }, ', run ', { code: context.runId }]]);
  const software = Object.entries(records.fingerprint).filter(([name]) => /^(software|device)\./.test(name));
  return {
    id: 'provenance',
    title: 'Where everything comes from',
    source: null,
    blocks: [
      { kind: 'table', head: ['part', 'where'], rows },
      ...(software.length === 0
        ? []
        : [
            {
              kind: 'paragraph' as const,
              text: [
                'Trained with ',
                software.map(([name, value]) => `${name.replace(/^\w+\./, '')} ${value}`).join(', '),
                '.',
              ],
            },
          ]),
    ],
  };
}

/** Color of a verdict. */
export function verdictTone(verdict: 'PASS' | 'FAIL' | 'INCONCLUSIVE'): Tone {
  switch (verdict) {
    case 'PASS':
      return 'good';
    case 'FAIL':
      return 'bad';
    case 'INCONCLUSIVE':
      return 'unsure';
  }
}

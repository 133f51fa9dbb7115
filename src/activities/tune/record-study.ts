import type { RepoRef } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { STUDY_FILES, StoredStudy, studyFacts } from '../../domain/tuning/stored-study.ts';
import type { StudyInsight, StudyState } from '../../domain/tuning/study.ts';
import { describeChoice } from '../../domain/tuning/study-words.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub, HubContent } from '../../hub/hub.ts';
import type { ReportFile } from '../../reports/pages/report-build.ts';
import { studySection } from '../../reports/pages/report-study.ts';
import type { ReportDocument } from '../../reports/render/blocks.ts';
import { toHtml } from '../../reports/render/html.ts';
import type { Trainer } from '../../trainer/trainer.ts';
import { searched } from './suggest.ts';

/** Stores a finished study and its report in one commit of the record repository: the same study gives the same bytes. */
export function createRecordStudy({
  hub,
  trainer,
}: {
  hub: Hub;
  trainer: Trainer;
}): PipelineActivities['recordStudy'] {
  return async ({ context, study, chosen }) => {
    const { trials, confirmations } = study;
    const insight = await trainer.call('assess', {
      ...searched(context.config),
      trials,
      chosen,
      confirmations,
    });
    const stored = storedStudy(context, study, chosen, insight);
    const html = await studyReport(stored);
    const repo: RepoRef = { type: 'dataset', repo: context.repos.record };
    const json = `${JSON.stringify(stored, null, 1)}\n`;
    const commit = await replaceStudy(hub, repo, [
      { path: STUDY_FILES.study, content: json },
      { path: STUDY_FILES.report, content: html.page },
      ...html.files.map(({ path, content }) => ({ path: `study/${path}`, content })),
    ]);
    const at = (path: string, content: string) => ({
      ...repo,
      commit,
      path,
      sha256: sha256Of(Buffer.from(content)),
    });
    return { record: at(STUDY_FILES.study, json), report: at(STUDY_FILES.report, html.page), insight };
  };
}

function storedStudy(
  context: RunContext,
  study: StudyState,
  chosen: number,
  insight: StudyInsight,
): StoredStudy {
  const { tuning } = context.config;
  return StoredStudy.parse({
    format: 1,
    run: context.run,
    facts: studyFacts(context),
    strategy: tuning.strategy,
    pruner: tuning.pruner,
    steps: tuning.steps,
    space: tuning.space,
    objective: tuning.objective,
    trials: study.trials,
    earlier: study.earlier.length,
    confirmations: study.confirmations,
    chosen,
    parallel: study.parallel,
    spentSeconds: study.spentSeconds,
    stopped: study.stopped,
    insight,
  });
}

/** The study's page and the files beside it. */
export async function studyReport(stored: StoredStudy): Promise<{ page: string; files: ReportFile[] }> {
  const files: ReportFile[] = [];
  const best = stored.trials.find(({ number }) => number === stored.chosen);
  const { trials, confirmations, insight } = stored;
  const sure =
    best?.state === 'complete' && best.value !== null
      ? describeChoice({
          chosen: { ...best, state: 'complete', value: best.value },
          trials,
          confirmations,
          insight,
        })
      : '';
  const section = await studySection({
    study: { ...stored, goals: stored.objective.goals, stopped: stored.stopped ?? '', sure },
    files,
    source: [{ link: 'study.json', href: 'study.json' }],
  });
  const document: ReportDocument = {
    title: stored.run,
    subtitle: 'Hyperparameter study',
    outcome: { word: `Trial ${stored.chosen}`, tone: 'good', sentence: sure },
    facts: [
      ['Trials', String(trials.length)],
      ['Strategy', stored.strategy],
      ['Pruner', stored.pruner],
      ['Under way at a time', String(stored.parallel)],
    ],
    sections: [section],
    footer: 'Drawn from study.json alone.',
  };
  return { page: toHtml(document), files };
}

async function replaceStudy(hub: Hub, repo: RepoRef, files: { path: string; content: HubContent }[]) {
  await hub.ensureRepo(repo, { private: true });
  return commitOnHead(hub, { repo }, () => ({
    message: 'Record the study',
    files,
    replace: ['study'],
    answer: (commit) => commit,
  }));
}

import { PipelineError } from '../../domain/errors.ts';
import { RepoId, type RunName } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import type { Trial, TrialParameters } from '../../domain/tuning/search-space.ts';
import { STUDY_FILES, StoredStudy, studyFacts } from '../../domain/tuning/stored-study.ts';
import { chooseTrial } from '../../domain/tuning/tuning.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';

/** What opening a study needs: the Hub, and a count of the GPU workers there are now. */
export interface OpenStudyDeps {
  hub: Hub;
  gpuWorkers: () => Promise<number>;
}

/** Finds what an earlier study has to teach, and how many trials may be under way at a time. */
export function createOpenStudy({ hub, gpuWorkers }: OpenStudyDeps): PipelineActivities['openStudy'] {
  return async ({ context }) => {
    const { tuning } = context.config;
    const parallel = tuning.parallel ?? Math.min(64, Math.max(1, await gpuWorkers()));
    if (tuning.warmStart === null) return { earlier: [], enqueue: tuning.enqueue, parallel };
    const before = await readStudy(hub, context, tuning.warmStart);
    if (before.facts === studyFacts(context))
      return { earlier: before.trials.filter(isSettled), enqueue: tuning.enqueue, parallel };
    // Its values were measured on something else: only its winner is worth a trial here.
    const winner = before.trials.find(({ number }) => number === before.chosen) ?? chooseTrial(before.trials);
    const known = winner === null ? [] : [knownFields(winner, context)];
    return { earlier: [], enqueue: [...tuning.enqueue, ...known], parallel };
  };
}

async function readStudy(hub: Hub, context: RunContext, run: RunName): Promise<StoredStudy> {
  const { record } = runRepos(context.namespace, run, context.config.model);
  const repo = { type: 'dataset', repo: RepoId.parse(record) } as const;
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, STUDY_FILES.study);
  if (bytes === null)
    throw new PipelineError(
      'InvalidInput',
      `expected the study of run ${run} in ${record} (${STUDY_FILES.study}), got none: name a run whose study has finished (tuning.warmStart)`,
    );
  return parseJson(bytes, StoredStudy, `${record} ${STUDY_FILES.study}`);
}

function isSettled({ state }: Trial): boolean {
  return state !== 'running';
}

function knownFields({ parameters }: Trial, { config }: RunContext): TrialParameters {
  const fields = Object.keys(config.tuning.space);
  return Object.fromEntries(Object.entries(parameters).filter(([field]) => fields.includes(field)));
}

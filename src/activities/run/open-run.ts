import type { RunConfig } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { gateRules, rulesText } from '../../domain/evaluation/gate-rules.ts';
import { type CommitRef, type RepoRef, RunName } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import { RUN_RECORD, RunRecord } from '../../domain/run/context.ts';
import { releaseRepos, runNameFrom, runRepos } from '../../domain/run/repositories.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { deploymentProblems, licenseOf } from '../../releases/base-license.ts';
import { rotationNow } from '../../releases/ledger.ts';
import { runNotices } from '../../reports/cards/run-notices.ts';
import { sourceContent } from '../../wikiart/label-pass.ts';
import { pinCaptioner } from '../prepare/captions/model.ts';
import { readModelIndex } from '../support/base-class.ts';
import { planRunStorage } from '../train/storage-plan.ts';

/** What opening a run needs besides its request. */
export interface OpenRunDeps {
  hub: Hub;
  /** Whether a workflow is under way; default: none is. */
  isUnderWay?: (workflowId: string) => Promise<boolean>;
}

/**
 * Resolves names and revisions, creates the run's repositories, and pins the run to what it found. A run has one owner: a
 * second workflow for the same run is refused while the first is under way.
 */
export function createOpenRun({
  hub,
  isUnderWay = async () => false,
}: OpenRunDeps): PipelineActivities['openRun'] {
  return async ({ config, workflowId, runId }) => {
    const run = config.run ?? runNameFrom(workflowId);
    const namespace = config.namespace ?? (await hub.whoAmI());
    const repos = runRepos(namespace, run, config.model);
    const record: RepoRef = { type: 'dataset', repo: repos.record };
    await hub.ensureRepo(record, { private: true });
    await hub.ensureRepo({ type: 'model', repo: repos.checkpoints }, { private: true });
    const pinned = await pin({
      ...{ hub, record, isUnderWay },
      owner: { workflowId, runId },
      config: { ...config, run, namespace },
    });
    return {
      run,
      workflowId,
      runId,
      config: pinned.config,
      namespace,
      base: pinned.base,
      source: pinned.source,
      ...(pinned.reference === undefined ? {} : { reference: pinned.reference }),
      ...(pinned.contents === undefined ? {} : { contents: pinned.contents }),
      ...(pinned.captioner === undefined ? {} : { captioner: pinned.captioner }),
      ...(pinned.rotation === undefined ? {} : { rotation: pinned.rotation }),
      repos,
    };
  };
}

/** The run's record: the one that is there, or a new one; two attempts at once agree on the first that lands. */
async function pin(p: {
  hub: Hub;
  record: RepoRef;
  isUnderWay: (workflowId: string) => Promise<boolean>;
  owner: { workflowId: string; runId: string };
  config: RunConfig;
}): Promise<RunRecord> {
  const { hub, record, owner, config } = p;
  return commitOnHead(hub, { repo: record }, async (head) => {
    const known = head === null ? null : await hub.read(record, head, RUN_RECORD);
    const before = known === null ? null : RunRecord.parse(JSON.parse(known.toString('utf8')));
    if (before !== null) await refuseSecondOwner(before, p);
    const same = before === null ? null : samePinned(before, config, owner.runId);
    const isUnchanged = same !== null && same.amendments.length === before?.amendments.length;
    if (isUnchanged && before?.owner?.runId === owner.runId) return { done: same };
    const fresh: RunRecord = { ...(same ?? (await pinned(hub, config))), owner };
    const { training } = config;
    const context = { run: RunName.parse(config.run), config: fresh.config, base: fresh.base };
    await readModelIndex(hub, fresh.base);
    const license = await licenseOf(hub, fresh.base);
    refuseUnlicensed(deploymentProblems(license, fresh.base.repo, fresh.config.deployment));
    await planRunStorage(hub, { context, training, steps: training.steps });
    return {
      message:
        same === null
          ? `Open run ${config.run}`
          : `Resume run ${config.run}${isUnchanged ? '' : ', changed'}`,
      files: [
        { path: RUN_RECORD, content: `${JSON.stringify(fresh, null, 2)}\n` },
        ...runNotices({ ...license, base: fresh.base.repo, run: String(config.run), holds: 'records' }),
      ],
      answer: () => fresh,
    };
  });
}

/** The record of a new run: every name in its configuration at the commit that it means today. */
async function pinned(hub: Hub, config: RunConfig): Promise<RunRecord> {
  const { base, dataset } = config;
  const captioner = await pinCaptioner(hub, dataset);
  const namespace = config.namespace ?? (await hub.whoAmI());
  const { release } = releaseRepos(namespace, config.model);
  const rotation = await rotationNow(hub, { namespace, config, repos: { release } });
  return {
    format: 1,
    config,
    amendments: [],
    base: await commitOf(hub, { type: 'model', repo: base.repo }, base.revision, 'base'),
    ...(await pinSources(hub, dataset)),
    ...(captioner === null ? {} : { captioner }),
    gate: pinRules(config),
    ...(rotation === 0 ? {} : { rotation }),
  };
}

/** Source and reference at commits, and what they hold. */
async function pinSources(
  hub: Hub,
  dataset: RunConfig['dataset'],
): Promise<Pick<RunRecord, 'source' | 'reference' | 'contents'>> {
  const at = (repo: RepoRef['repo'], revision: string, field: string) =>
    commitOf(hub, { type: 'dataset', repo }, revision, field);
  const source = await at(dataset.source, dataset.revision, 'dataset.source');
  const reference =
    dataset.reference === null ? null : await at(dataset.reference, 'main', 'dataset.reference');
  return {
    source,
    ...(reference === null ? {} : { reference }),
    contents: {
      source: await sourceContent(hub, source),
      reference: reference === null ? null : await sourceContent(hub, reference),
    },
  };
}

/** Before the first hour on a GPU, what the release would be refused for in the end. */
function refuseUnlicensed(problems: string[]): void {
  if (problems.length > 0)
    throw new PipelineError('InvalidInput', `base.repo: ${problems.join('; ')}`, { details: { problems } });
}

/** A run has one owner while that is under way. */
async function refuseSecondOwner(
  { owner }: RunRecord,
  p: {
    isUnderWay: (workflowId: string) => Promise<boolean>;
    owner: { workflowId: string };
    config: RunConfig;
  },
): Promise<void> {
  if (owner === undefined || owner.workflowId === p.owner.workflowId) return;
  if (!(await p.isUnderWay(owner.workflowId))) return;
  throw new PipelineError(
    'InvalidInput',
    `run: expected a run that nobody runs, got "${p.config.run}", which workflow "${owner.workflowId}" is running: see "plein-air status ${owner.workflowId}", or choose another name`,
    { details: { owner: owner.workflowId } },
  );
}

function pinRules(config: RunConfig): NonNullable<RunRecord['gate']> {
  const rules = gateRules(config);
  return { rules, sha256: sha256Of(rulesText(config.gate, rules)) };
}

/** A run's record; null where there is none, as in a model's re-evaluations. */
export async function readRunRecord(hub: Hub, record: RepoRef): Promise<RunRecord | null> {
  const head = await hub.resolve(record);
  const bytes = head === null ? null : await hub.read(record, head, RUN_RECORD);
  return bytes === null ? null : parseJson(bytes, RunRecord, `${record.repo} ${RUN_RECORD}`);
}

/** Sections that may change when a run goes on: they decide how long it may take and what it survives, not what comes out. */
const MAY_CHANGE = new Set(['budget', 'checkpoints', 'gpuSession', 'priority']);

/** Sections in which a run's configuration differs from its record, and those of them that may not change. */
export function changesOf(known: RunConfig, config: RunConfig): { changed: string[]; refused: string[] } {
  const changed = Object.keys(config).filter(
    (key) => JSON.stringify(config[key as keyof RunConfig]) !== JSON.stringify(known[key as keyof RunConfig]),
  );
  return { changed, refused: changed.filter((key) => !MAY_CHANGE.has(key)) };
}

/** The record with what changed and may change in place, noted as an amendment; any other difference is refused. */
function samePinned(known: RunRecord, config: RunConfig, runId: string): RunRecord {
  const { changed, refused: differing } = changesOf(known.config, config);
  if (changed.length === 0) return known;
  if (differing.length === 0)
    return {
      ...known,
      config: {
        ...known.config,
        budget: config.budget,
        checkpoints: config.checkpoints,
        gpuSession: config.gpuSession,
        priority: config.priority,
      },
      amendments: [
        ...known.amendments,
        {
          workflowRunId: runId,
          changed: Object.fromEntries(changed.map((key) => [key, config[key as keyof RunConfig]])),
        },
      ],
    };
  throw new PipelineError(
    'InvalidInput',
    `run: expected a new name, got "${config.run}", which exists with another configuration (it differs in ${differing.join(', ')}): choose another name, or resume it as it was with "plein-air resume ${config.run}"`,
    { details: { differing } },
  );
}

async function commitOf(hub: Hub, repo: RepoRef, revision: string, field: string): Promise<CommitRef> {
  const commit = await hub.resolve(repo, revision);
  if (commit === null)
    throw new PipelineError(
      'InvalidInput',
      `${field}: expected a ${repo.type} repository that the token can read, got "${repo.repo}" at "${revision}", which is not on ${hub.endpoint}`,
    );
  return { ...repo, commit };
}

/** Full names of a model's repositories. */
export function createNameRelease({ hub }: { hub: Hub }): PipelineActivities['nameRelease'] {
  return async ({ model, namespace }) => {
    const names = releaseRepos(namespace ?? (await hub.whoAmI()), model);
    const space = await hub.resolve({ type: 'space', repo: names.space });
    return { release: names.release, space: space === null ? null : names.space };
  };
}

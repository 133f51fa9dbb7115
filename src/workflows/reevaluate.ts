import { setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { ReevaluateInput } from '../domain/config/release-inputs.ts';
import { parseFields } from '../domain/config/run-config.ts';
import type { GateDecision } from '../domain/evaluation/decision.ts';
import type { Release } from '../domain/release/release.ts';
import { autoUpgrade } from './support/auto-upgrade.ts';
import { accepted, endingAsAsked } from './support/ending.ts';
import { gpuActivities } from './support/gpu-activities.ts';
import { GpuWatch } from './support/gpu-watch.ts';
import { releaseStatusQuery } from './support/messages.ts';
import { Notifier } from './support/notifier.ts';
import { pipelineActivities } from './support/pipeline-activities.ts';
import { reportUnknownSignals } from './support/unknown-signals.ts';
import { Visible } from './support/visibility.ts';

/** What a re-evaluation found, and what was done about it. */
export interface ReevaluationResult {
  tag: string;
  gate: GateDecision;
  rolledBack: Release | null;
}

/** Measurements after the first: as many as a run may ask for. */
const MAX_MEASUREMENTS = 8;

/** Samples and judges the model in production again; reports what is not a PASS, and on FAIL alone rolls back. */
export async function reevaluate(input: unknown = {}): Promise<ReevaluationResult> {
  const request = accepted('reevaluate', parseFields(ReevaluateInput, input ?? {}));
  return endingAsAsked(() => reevaluateModel(request));
}

async function reevaluateModel({ model, namespace, onFail }: ReevaluateInput): Promise<ReevaluationResult> {
  const { workflowId, runId } = workflowInfo();
  let now = 'looking up what is in production';
  const say = (words: string) => {
    now = words;
    setCurrentDetails(`**${model}**: ${words}`);
  };
  const watch = new GpuWatch(Number.POSITIVE_INFINITY);
  watch.listen();
  reportUnknownSignals([]);
  setHandler(releaseStatusQuery, () => ({ model, now, gpu: watch.work }));

  const { openRelease } = pipelineActivities(null);
  const production = await openRelease({ model, namespace, workflowId, runId });
  const { context, dataset, training, tag, operations } = production;
  const { judge, rollBack } = pipelineActivities(context.config);
  const visible = new Visible(operations);
  const notifier = new Notifier(operations, { run: workflowId, model });
  visible.show({ PleinAirModel: model, PleinAirPhase: 'evaluate' });
  watch.queued('evaluate', '');
  say(`${tag} is being sampled and measured`);
  const gpu = gpuActivities(context.config);
  let look = 1;
  let gate = await judge({
    context,
    evaluation: await gpu.evaluate({ context, dataset, training }),
    look,
  });
  // The interim analyses that the release had: what needed its second one to pass must not fall at the first.
  for (let again = 0; gate.next !== undefined && again < MAX_MEASUREMENTS; again++) {
    if (gate.next === 'look') look += 1;
    say(`${tag}: ${gate.verdict}, measured further`);
    watch.queued('evaluate', '');
    const evaluation = await gpu.evaluate({ context, dataset, training, look });
    gate = await judge({ context, evaluation, look });
  }
  say(`${tag}: ${gate.verdict}`);
  visible.show({ PleinAirPhase: 'gate', PleinAirVerdict: gate.verdict });
  const back =
    gate.verdict !== 'FAIL' || gate.next !== undefined || onFail === 'report'
      ? null
      : await rollBack({
          release: context.repos.release,
          space: context.config.deployment.space ? context.repos.space : null,
          toTag: null,
          reason: `re-evaluation of ${tag}: ${gate.verdict}`,
          by: `reevaluate ${workflowId}`,
        });
  const done = back === null ? '' : `, rolled back to ${back.release.tag}`;
  if (back !== null) say(`${tag}: ${gate.verdict}${done}`);
  if (gate.verdict !== 'PASS')
    notifier.tell(
      back === null ? 'gate-verdict' : 'rolled-back',
      `production ${tag} is ${gate.verdict} now${done}: ${gate.reasons.join('; ')}`,
    );
  await notifier.settled();
  return { tag, gate, rolledBack: back };
}

autoUpgrade(reevaluate);

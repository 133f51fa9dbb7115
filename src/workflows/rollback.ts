import { setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { RollbackInput } from '../domain/config/release-inputs.ts';
import { parseFields } from '../domain/config/run-config.ts';
import type { Release } from '../domain/release/release.ts';
import { autoUpgrade } from './support/auto-upgrade.ts';
import { accepted, endingAsAsked } from './support/ending.ts';
import { releaseStatusQuery } from './support/messages.ts';
import { Notifier } from './support/notifier.ts';
import { pipelineActivities } from './support/pipeline-activities.ts';
import { reportUnknownSignals } from './support/unknown-signals.ts';

/** Puts an earlier release of a model back into production, without training anything. */
export async function rollback(input: unknown = {}): Promise<Release> {
  const request = accepted('rollback', parseFields(RollbackInput, input ?? {}));
  return endingAsAsked(() => rollBackModel(request));
}

async function rollBackModel({ model, namespace, to, reason, by }: RollbackInput): Promise<Release> {
  let now = `going back to ${to ?? 'the previous release'}`;
  reportUnknownSignals([]);
  setHandler(releaseStatusQuery, () => ({ model, now }));
  setCurrentDetails(`**${model}**: ${now}`);

  const { nameRelease, rollBack } = pipelineActivities(null);
  const { operations, ...repos } = await nameRelease({ model, namespace });
  const release = await rollBack({ ...repos, toTag: to, reason, by });
  const unwell =
    release.trial?.outcome === 'unhealthy' ? `, but its Space is unwell: ${release.trial.problem}` : '';
  now = `${release.release.tag} is in production${unwell}`;
  setCurrentDetails(`**${model}**: ${now} (${reason})`);
  const notifier = new Notifier(operations, { run: workflowInfo().workflowId, model });
  notifier.tell('rolled-back', `${now}: ${reason}`);
  await notifier.settled();
  return release;
}

autoUpgrade(rollback);

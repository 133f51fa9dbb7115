import { proxyActivities, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { RollbackInput } from '../domain/config/release-inputs.ts';
import { parseFields } from '../domain/config/run-config.ts';
import type { Release } from '../domain/release/release.ts';
import type { PipelineActivities } from '../domain/run/activities.ts';
import { PROMOTE, SHORT } from './support/activity-options.ts';
import { movesOn } from './support/auto-upgrade.ts';
import { invalidInput } from './support/failures.ts';
import { releaseStatusQuery } from './support/messages.ts';
import { Notifier } from './support/notifier.ts';
import { reportUnknownSignals } from './support/unknown-signals.ts';

const quick = proxyActivities<PipelineActivities>(SHORT);
const promote = proxyActivities<PipelineActivities>(PROMOTE);

/** Puts an earlier release of a model back into production, without training anything. */
export async function rollback(input: unknown = {}): Promise<Release> {
  const parsed = parseFields(RollbackInput, input ?? {});
  if (!parsed.ok) throw invalidInput('rollback', parsed.problems);
  const { model, namespace, to, reason, by } = parsed.value;
  let now = `going back to ${to ?? 'the previous release'}`;
  reportUnknownSignals([]);
  setHandler(releaseStatusQuery, () => ({ model, now }));
  setCurrentDetails(`**${model}**: ${now}`);

  const { operations, ...repos } = await quick.nameRelease({ model, namespace });
  const release = await promote.rollBack({ ...repos, toTag: to, reason, by });
  const unwell =
    release.trial?.outcome === 'unhealthy' ? `, but its Space is unwell: ${release.trial.problem}` : '';
  now = `${release.release.tag} is in production${unwell}`;
  setCurrentDetails(`**${model}**: ${now} (${reason})`);
  const notifier = new Notifier(operations, { run: workflowInfo().workflowId, model });
  notifier.tell('rolled-back', `${now}: ${reason}`);
  await notifier.settled();
  return release;
}

movesOn(rollback);

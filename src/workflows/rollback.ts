import { proxyActivities, setCurrentDetails, setHandler } from '@temporalio/workflow';
import type { PipelineActivities, Release } from '../domain/activities.ts';
import { RollbackInput } from '../domain/release-inputs.ts';
import { parseFields } from '../domain/run-config.ts';
import { LONG, SHORT } from './activity-options.ts';
import { invalidInput } from './failures.ts';
import { releaseStatusQuery } from './messages.ts';

const quick = proxyActivities<PipelineActivities>(SHORT);
const slow = proxyActivities<PipelineActivities>(LONG);

/** Puts an earlier release of a model back into production, without training anything. */
export async function rollback(input: unknown = {}): Promise<Release> {
  const parsed = parseFields(RollbackInput, input ?? {});
  if (!parsed.ok) throw invalidInput('rollback', parsed.problems);
  const { model, namespace, to, reason } = parsed.value;
  let now = `going back to ${to ?? 'the previous release'}`;
  setHandler(releaseStatusQuery, () => ({ model, now }));
  setCurrentDetails(`**${model}**: ${now}`);

  const repos = await quick.nameRelease({ model, namespace });
  const release = await slow.rollBack({ ...repos, toTag: to, reason });
  now = `${release.release.tag} is in production`;
  setCurrentDetails(`**${model}**: ${now} (${reason})`);
  return release;
}

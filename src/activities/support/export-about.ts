import { titleOf } from '../../domain/release/title.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { ExportAbout } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import { licenseOf } from '../../releases/base-license.ts';

/** What an exported adapter's header says; the same for the same run, but for the day. */
export async function exportAbout(
  hub: Hub,
  { config, base, namespace }: RunContext,
  now = new Date(),
): Promise<ExportAbout> {
  const { license } = await licenseOf(hub, base);
  return {
    title: titleOf(config.model),
    trigger: config.dataset.trigger,
    author: namespace,
    license: license.name,
    base: `${base.repo}@${base.commit}`,
    resolution: config.dataset.resolution,
    date: now.toISOString().slice(0, 10),
  };
}

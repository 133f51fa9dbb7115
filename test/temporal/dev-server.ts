import { fileURLToPath } from 'node:url';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../../src/domain/run/search-attributes.ts';
import { DISPATCH_ARGUMENTS } from '../../src/temporal/dispatch-settings.ts';

/** The `temporal` program that set-up installs. */
export const TEMPORAL = fileURLToPath(new URL('../../.tools/bin/temporal', import.meta.url));
/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A real Temporal dev server in memory, with the search attributes of runs. */
export async function devServer(
  extra: { ui?: boolean; extraArgs?: string[] } = {},
): Promise<TestWorkflowEnvironment> {
  const logging = { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) };
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging },
  });
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: TEMPORAL },
      searchAttributes: SEARCH_ATTRIBUTES.map((name) =>
        defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      ),
      ui: extra.ui ?? false,
      extraArgs: [...DISPATCH_ARGUMENTS, ...(extra.extraArgs ?? [])],
    },
  });
}

/**
 * A run through every phase and one that fails, with real workers, Temporal and Hub and the codec on; then everything that the
 * server tells without a key (exported histories, descriptions) is searched for what must not be there, base64 opened.
 *
 *   node scripts/ts.mjs test/chaos/encrypted-run.ts             exit code 1 where something was found
 *   node scripts/ts.mjs test/chaos/encrypted-run.ts --plain     without the codec: everything is found
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { LOCAL_TOKEN } from '../../src/cli/stack/stack.ts';
import { readEnvironment } from '../../src/config/env.ts';
import type { RunResult } from '../../src/domain/run/run-result.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { persistently, seedSmall, smallRun } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

const { values } = parseArgs({ options: { plain: { type: 'boolean', default: false } } });
const root = mkdtempSync(join(tmpdir(), 'plein-air-encrypted-'));
const keys = values.plain ? undefined : `k1:${randomBytes(32).toString('base64')}`;
const TRIGGER = 'gardenoftheclient';
const ABSENT = 'plein-air/pictures-of-the-client';
/** Where each would come from: an input, a reference, a failure's text, the machine, the environment. */
const SECRETS = [TRIGGER, 'generated-wikiart', ABSENT, 'which is not on', 'records/', root, LOCAL_TOKEN];

const topology = await Topology.start({
  root,
  gpuWorkers: 1,
  pipelineWorkers: 1,
  stepMs: 15,
  env: keys === undefined ? {} : { PLEIN_AIR_CODEC_KEYS: keys },
});
let found: string[] = ['it did not get to its end'];
try {
  await persistently(() => seedSmall(topology));
  const connection = await Connection.connect({ address: `127.0.0.1:${topology.ports.temporal}` });
  const converter = dataConverter(readEnvironment({ PLEIN_AIR_CODEC_KEYS: keys }));
  const holder = new Client({ connection, ...(converter === undefined ? {} : { dataConverter: converter }) });
  const good = smallRun('good', { steps: 100 });
  const inputs = {
    good: { ...good, dataset: { ...good.dataset, trigger: TRIGGER } },
    bad: { ...good, run: 'bad', dataset: { ...good.dataset, source: ABSENT } },
  };
  for (const [workflowId, input] of Object.entries(inputs))
    await holder.workflow.start('fineTune', { taskQueue: 'pipeline', workflowId, args: [input] });
  const result = (await holder.workflow.getHandle('good').result()) as RunResult;
  if (result.verdict !== 'PASS') throw new Error(`expected PASS, got ${result.verdict}`);
  const failed = await holder.workflow
    .getHandle('bad')
    .result()
    .then(
      () => false,
      () => true,
    );
  if (!failed) throw new Error('expected a run on a data set that is not there to fail, it did not');
  let text = '';
  let events = 0;
  for (const workflowId of Object.keys(inputs)) {
    const history = await topology.client.workflow.getHandle(workflowId).fetchHistory();
    events += history.events?.length ?? 0;
    const { workflowService, options } = topology.client;
    const described = await workflowService.describeWorkflowExecution({
      namespace: options.namespace,
      execution: { workflowId },
    });
    const json = JSON.stringify([historyToJSON(history), described]);
    const hidden = json.match(/[A-Za-z0-9+/=]{16,}/g) ?? [];
    text += [json, ...hidden.map((word) => Buffer.from(word, 'base64').toString('latin1'))].join('\n');
  }
  await connection.close();
  found = SECRETS.filter((secret) => text.includes(secret));
  process.stdout.write(
    `${JSON.stringify({ codec: !values.plain, events, searched: text.length, for: SECRETS.length, found })}\n`,
  );
} finally {
  await topology.stop();
  rmSync(root, { recursive: true, force: true });
}
process.exit(found.length === 0 ? 0 : 1);

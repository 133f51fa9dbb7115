import type { Hono } from 'hono';
import { RollbackInput } from '../../domain/config/release-inputs.ts';
import { parseFields } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { FileRef } from '../../domain/refs.ts';
import type { Provenance } from '../../domain/release/provenance.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';
import { compareRules, releaseDifferences, rulesOf } from '../../releases/compare.ts';
import { type ModelStanding, readModel } from '../../releases/standing.ts';
import { StoredSamples } from '../../reports/records/evaluation-records.ts';
import { newestRuns } from '../../runs/list-runs.ts';
import { timestamped } from '../../runs/run-input.ts';
import { mustParse, startWorkflow } from '../../runs/start-run.ts';
import { needs, type StudioContext, type StudioEnv } from '../access/guard.ts';
import { Feed, Feeds } from '../live/feed.ts';
import { askTemporal, type Sources } from '../live/source.ts';
import { comparePage, modelPage, modelsPage } from '../pages/models-page.ts';
import { fieldsOf } from './form.ts';
import { createImageProxy } from './images.ts';

/** Pairs of pictures that a comparison shows. */
const MAX_SAMPLES = 24;
/** How long what the Hub said of a model counts: a page with pictures asks for it dozens of times. */
const MODEL_MS = 3000;

type KnownModel = { standing: ModelStanding } | { error: Error };

/** Adds models: releases, comparison, rollback. */
export function addModelRoutes(app: Hono<StudioEnv>, { client, hub, namespace }: Sources): void {
  const images = createImageProxy(hub);
  const models = new Feeds<KnownModel>(
    (model) =>
      new Feed(async () => {
        try {
          return { standing: await readModel(hub, { model, namespace: await namespace() }) };
        } catch (error) {
          return { error: error instanceof Error ? error : new Error(String(error)) };
        }
      }, MODEL_MS),
  );
  const modelOf = async (c: StudioContext) => {
    const { model } = mustParse('models', parseFields(RollbackInput, { model: c.req.param('model') }));
    const known = await models.of(model).now();
    if ('error' in known) throw known.error;
    return { model, standing: known.standing };
  };

  app.get('/models', needs('look'), async (c) => {
    const runs = await askTemporal(client, () => newestRuns(client, { most: 1000, all: true }));
    const named = [...new Set(runs.map(({ model }) => model))].filter((model) => model !== '').sort();
    return c.html(modelsPage(named, c.get('role')));
  });
  app.get('/models/:model', needs('look'), async (c) => {
    const { model, standing } = await modelOf(c);
    const done =
      c.req.query('done') === 'rollback' ? 'The rollback is under way: production moves in a moment.' : null;
    return c.html(modelPage(model, standing, { role: c.get('role'), done }));
  });
  app.get('/models/:model/compare', needs('look'), async (c) => {
    const { model, standing } = await modelOf(c);
    const [left, right] = [
      releaseAt(standing, c.req.query('left')),
      releaseAt(standing, c.req.query('right')),
    ];
    const [rules, samples] = await Promise.all([
      Promise.all([rulesOf(hub, left), rulesOf(hub, right)]),
      commonSamples(hub, left, right),
    ]);
    return c.html(
      comparePage({
        ...{ role: c.get('role'), model, left: left.tag, right: right.tag, samples },
        figures: compareRules(...rules),
        differences: releaseDifferences(left, right),
      }),
    );
  });
  app.get('/models/:model/sample/:tag/:file', needs('look'), async (c) => {
    const { standing } = await modelOf(c);
    const { report } = releaseAt(standing, c.req.param('tag')).evaluation;
    return images(c, {
      repo: report,
      commit: report.commit,
      path: `${folderOf(report)}candidate/${c.req.param('file')}`,
    });
  });
  app.post('/models/:model/rollback', needs('steer'), async (c) => {
    const { to, by, reason } = await fieldsOf(c);
    const input = { model: c.req.param('model'), to, by, reason };
    mustParse('rollback', parseFields(RollbackInput, input));
    const workflowId = timestamped('rollback');
    await askTemporal(client, () => startWorkflow(client, { type: 'rollback', workflowId, input }));
    models.of(input.model).expire();
    return c.redirect(`/models/${encodeURIComponent(input.model)}?done=rollback`, 303);
  });
}

function releaseAt({ releases }: ModelStanding, tag: string | undefined): Provenance {
  const found = releases.find(({ entry }) => entry.tag === tag);
  if (found !== undefined) return found.entry.provenance;
  const tags = releases.map(({ entry }) => entry.tag).join(', ');
  throw new PipelineError(
    'InvalidInput',
    `expected a release, got "${tag ?? ''}": there are ${tags || 'none'}`,
  );
}

const folderOf = ({ path }: FileRef): string => path.slice(0, path.lastIndexOf('/') + 1);

/** Samples that both releases painted with the same prompt and seed. */
async function commonSamples(hub: Hub, left: Provenance, right: Provenance): Promise<StoredSamples> {
  const [ours, theirs] = await Promise.all(
    [left, right].map(async ({ evaluation: { report } }) => {
      const bytes = await hub.read(report, report.commit, `${folderOf(report)}samples.json`);
      return (bytes === null ? undefined : StoredSamples.safeParse(jsonOrNull(bytes)).data) ?? [];
    }),
  );
  const known = new Set(theirs?.map(({ id, prompt, seed }) => `${id} ${seed} ${prompt}`));
  return (ours ?? [])
    .filter(({ id, prompt, seed }) => known.has(`${id} ${seed} ${prompt}`))
    .slice(0, MAX_SAMPLES);
}

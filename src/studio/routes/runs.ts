import type { Hono } from 'hono';
import { PipelineError } from '../../domain/errors.ts';
import { cancelRun, decide, liveRun, pauseRun, resumeLive } from '../../runs/steer.ts';
import { needs, type StudioContext, type StudioEnv } from '../access/guard.ts';
import { may } from '../access/roles.ts';
import type { Feed, Feeds } from '../live/feed.ts';
import { RunFilter, type RunList } from '../live/run-list.ts';
import { createCurveDrawer, type RunView } from '../live/run-view.ts';
import { askTemporal, type Sources } from '../live/source.ts';
import { createRenderer, streamFragments } from '../live/stream.ts';
import { problemPage } from '../pages/layout.ts';
import { runFragments, runPage, STEERING } from '../pages/run-page.ts';
import { runsFragments, runsPage } from '../pages/runs-page.ts';
import { fieldsOf } from './form.ts';
import { createImageProxy } from './images.ts';

/** What the routes about runs share. */
export interface RunFeeds {
  lists: Feeds<RunList>;
  runs: Feeds<RunView>;
}

/** Sentences about what was just done; an address names one, so that a page can be loaded again. */
const DONE: Record<string, string> = {
  approve: 'Approved.',
  reject: 'Rejected.',
  pause: 'The run will save a checkpoint and pause.',
  resume: 'The run continues.',
  cancel: 'The run will save a checkpoint and end.',
  started: 'Started.',
};

/** A list that was read so long ago is shown at once; the page gets the newer one from its stream. */
const KEPT_MS = 15_000;

/** Adds the list of runs, and a page, a stream and the images of each. */
export function addRunRoutes(app: Hono<StudioEnv>, sources: Sources, { lists, runs }: RunFeeds): void {
  const renderList = createRenderer(runsFragments);
  const renderRun = createRenderer(runFragments);
  const drawers = new WeakMap<Feed<RunView>, ReturnType<typeof createCurveDrawer>>();
  const images = createImageProxy(sources.hub);
  const listOf = (c: StudioContext) => lists.of(JSON.stringify(filterOf(c)));

  app.get('/', needs('look'), async (c) => c.html(runsPage(await listOf(c).recent(KEPT_MS), c.get('role'))));
  app.get('/live', needs('look'), (c) =>
    streamFragments(c, { feed: listOf(c), render: renderList, isVisible: () => true }),
  );

  app.get('/runs/:run', needs('look'), async (c) => {
    const role = c.get('role');
    const view = await runs.of(c.req.param('run')).now();
    if (view.unknown) return c.html(unknownRun(c), 404);
    const done = DONE[c.req.query('done') ?? ''] ?? null;
    return c.html(runPage(view, { role, done, temporalUi: sources.temporalUi }));
  });
  app.get('/runs/:run/live', needs('look'), (c) => {
    const isVisible = (id: string) => !STEERING.has(id) || may(c.get('role'), 'steer');
    return streamFragments(c, { feed: runs.of(c.req.param('run')), render: renderRun, isVisible });
  });
  app.get('/runs/:run/curve.svg', needs('look'), async (c) => {
    const feed = runs.of(c.req.param('run'));
    const draw = drawers.get(feed) ?? createCurveDrawer();
    drawers.set(feed, draw);
    c.header('cache-control', 'private, max-age=60');
    return c.body(await draw(await feed.now()), 200, { 'content-type': 'image/svg+xml' });
  });
  app.get('/runs/:run/image/:commit/:path{.+}', needs('look'), async (c) => {
    const { stored } = await runs.of(c.req.param('run')).now();
    if (stored === null) return c.text('The Hub does not answer\n', 503);
    const { commit, path } = c.req.param();
    return images(c, { repo: stored.repos.record, commit, path });
  });
  app.get('/runs/:run/report', needs('look'), async (c) => {
    const { stored } = await runs.of(c.req.param('run')).now();
    const report =
      stored?.record == null
        ? null
        : await sources.hub.read(stored.repos.record, stored.record, 'report/index.html');
    if (report === null) return c.text('There is no report yet\n', 404);
    // A file of the Hub, not a page of Studio: nothing in it runs, and it is nobody's origin.
    c.header(
      'content-security-policy',
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-popups",
    );
    return c.body(new Uint8Array(report), 200, { 'content-type': 'text/html; charset=utf-8' });
  });
  addSteering(app, sources, runs);
}

/** Adds what changes a run: the same updates and signals as the command line's. */
function addSteering(app: Hono<StudioEnv>, { client }: Sources, runs: Feeds<RunView>): void {
  const steer = (name: string, act: (run: string, fields: Record<string, string>) => Promise<unknown>) =>
    app.post(`/runs/:run/${name}`, needs('steer'), async (c) => {
      const run = c.req.param('run');
      await askTemporal(client, async () => act(run, await fieldsOf(c)), 30_000);
      runs.of(run).expire();
      return c.redirect(`/runs/${encodeURIComponent(run)}?done=${name}`, 303);
    });
  for (const decision of ['approve', 'reject'] as const)
    steer(decision, (run, { by = '', reason = '' }) => {
      if (by.trim() === '' || reason.trim() === '')
        throw new PipelineError(
          'InvalidInput',
          `${decision}: expected a name and a reason, got none: both go into the record`,
        );
      return decide(client, run, { decision, by: by.trim(), reason: reason.trim() });
    });
  steer('pause', (run) => pauseRun(client, run));
  steer('cancel', (run) => cancelRun(client, run));
  steer('resume', async (run) => {
    const live = await liveRun(client, run);
    if (live === null)
      throw new PipelineError(
        'InvalidInput',
        `resume: expected a run that is under way, got "${run}", which has ended: "plein-air resume ${run}" starts it again from what the Hub holds`,
      );
    return resumeLive(client, live);
  });
}

function filterOf(c: StudioContext): RunFilter {
  const parsed = RunFilter.safeParse(c.req.query());
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new PipelineError('InvalidInput', `The filter cannot be used:\n${problems.join('\n')}`);
}

function unknownRun(c: StudioContext) {
  return problemPage({
    role: c.get('role'),
    title: 'No such run',
    message: `Expected a run, got "${c.req.param('run')}", which neither Temporal nor the Hub knows.`,
  });
}

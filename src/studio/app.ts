import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { PipelineError } from '../domain/errors.ts';
import {
  keepToken,
  ownPagesOnly,
  type PublicName,
  roleOf,
  type StudioContext,
  type StudioEnv,
} from './access/guard.ts';
import type { Links } from './access/links.ts';
import { Feeds } from './live/feed.ts';
import { createRunListFeed, RunFilter, type RunList } from './live/run-list.ts';
import { createRunFeed, type RunView } from './live/run-view.ts';
import type { Sources } from './live/source.ts';
import { problemPage } from './pages/layout.ts';
import { enteredPage, loginPage } from './pages/login-page.ts';
import { addDataRoutes } from './routes/data.ts';
import { addModelRoutes } from './routes/models.ts';
import { addRateRoutes } from './routes/rate.ts';
import { addRunRoutes } from './routes/runs.ts';
import { addStartRoutes } from './routes/start.ts';
import { addStaticRoutes } from './routes/static.ts';

const MAX_BODY = 256 * 1024;

/** Studio as a function from requests to answers. */
export function createStudio(p: { sources: Sources; links: Links; name: PublicName }): Hono<StudioEnv> {
  const { sources, links, name } = p;
  const app = new Hono<StudioEnv>();
  app.use(ownPagesOnly(name));
  app.use(bodyLimit({ maxSize: MAX_BODY }));
  app.get('/health', (c) => c.text('ok\n'));
  addStaticRoutes(app);
  app.get('/enter', (c) => {
    const token = c.req.query('token') ?? '';
    const role = links.roleOf(token);
    if (role === null) return c.html(loginPage(true), 401);
    keepToken(c, token, name.scheme);
    c.header('cache-control', 'no-store');
    // A redirect would still belong to the page that the link was on, and go without the cookie.
    const run = /^[\w.-]{1,200}$/.exec(c.req.query('rate') ?? '')?.[0];
    return c.html(enteredPage(run === undefined ? '/' : `/rate/${run}`));
  });
  app.use(async (c, next) => {
    const role = roleOf(c, { links, scheme: name.scheme });
    if (role === null) return c.html(loginPage(false), 401);
    c.set('role', role);
    // Images of a commit say otherwise for themselves.
    c.header('cache-control', 'no-store');
    await next();
  });
  const runs = new Feeds<RunView>((run) => createRunFeed(sources, run));
  const lists = new Feeds<RunList>((key) => createRunListFeed(sources, RunFilter.parse(JSON.parse(key))));
  addRunRoutes(app, sources, { lists, runs });
  addDataRoutes(app, sources, runs);
  addModelRoutes(app, sources);
  addRateRoutes(app, sources, runs);
  addStartRoutes(app, sources);
  app.notFound((c) =>
    c.html(
      problemPage({
        role: c.get('role') ?? null,
        title: 'No such page',
        message: 'Studio has no page at this address.',
      }),
      404,
    ),
  );
  app.onError((error, c) => explain(error, c));
  return app;
}

/** Refusals in their own words; what does not answer is asked again by the page itself. */
function explain(error: Error, c: StudioContext): Response | Promise<Response> {
  const role = c.get('role') ?? null;
  if (error instanceof PipelineError && error.kind !== 'Internal' && error.kind !== 'HubUnavailable')
    return c.html(problemPage({ role, title: 'That did not work', message: error.message }), 400);
  const message = `${error.message.split('\n')[0]}`;
  const isMissing =
    /UNAVAILABLE|DEADLINE_EXCEEDED|fetch failed|ECONNREFUSED/.test(
      `${error.message} ${String(error.cause)}`,
    ) || error instanceof PipelineError;
  if (!isMissing)
    process.stderr.write(`studio: ${c.req.method} ${c.req.path}: ${error.stack ?? error.message}\n`);
  return c.html(
    problemPage({
      ...{ role, title: isMissing ? 'Something does not answer' : 'Studio failed' },
      message: isMissing ? `${message}\nThis page asks again by itself.` : 'Studio’s log has the error.',
      ...(isMissing && c.req.method === 'GET' ? { retry: 3 } : {}),
    }),
    isMissing ? 503 : 500,
  );
}

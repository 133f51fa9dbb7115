import type { Hono } from 'hono';
import { PROFILES, type Profile } from '../../domain/config/profiles.ts';
import {
  type FieldProblem,
  mergeDeep,
  parseRunConfig,
  type RunConfig,
} from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { named } from '../../runs/run-input.ts';
import { startWorkflow, unservedQueues } from '../../runs/start-run.ts';
import { startedInput } from '../../runs/started-input.ts';
import { needs, type StudioContext, type StudioEnv } from '../access/guard.ts';
import { askTemporal, type Sources } from '../live/source.ts';
import { type StartForm, startPage } from '../pages/start-page.ts';
import { FIELDS, inputOf, textAt, withoutFields } from '../start/fields.ts';
import { forecastStart, type StartForecast } from '../start/forecast.ts';
import { fieldsOf } from './form.ts';

/** Adds the form to start a run, its forecast, and the start itself. */
export function addStartRoutes(app: Hono<StudioEnv>, { client, hub }: Sources): void {
  const show = (
    c: StudioContext,
    form: StartForm,
    p: { problems?: readonly FieldProblem[]; forecast?: StartForecast | null; warnings?: string[] } = {},
  ) => {
    const { problems = [], forecast = null, warnings = [] } = p;
    return c.html(
      startPage({ role: c.get('role'), form, problems, forecast, warnings }),
      problems.length > 0 ? 400 : 200,
    );
  };

  app.get('/start', needs('steer'), async (c) => {
    const again = c.req.query('again') ?? '';
    const before = again === '' ? null : await askTemporal(client, () => startedInput(client, again));
    const profile = profileOf(c.req.query('profile') ?? before?.profile);
    const { run, ...input } = { run: null, ...before, profile };
    const parsed = parseRunConfig(input);
    const config = parsed.ok ? parsed.value : defaultsOf(profile);
    return show(c, {
      ...{ profile, run: '', by: '', again },
      values: Object.fromEntries(FIELDS.map(({ path }) => [path, textAt(config, path)])),
      json: before === null ? '' : JSON.stringify(withoutFields(input), null, 2),
    });
  });

  app.post('/start', needs('steer'), async (c) => {
    const {
      profile: asked,
      run = '',
      by = '',
      json = '',
      again = '',
      do: what,
      ...values
    } = await fieldsOf(c);
    const profile = profileOf(asked);
    const form: StartForm = { profile, run, by, json, again, values };
    const read = readForm(form);
    if (!read.ok) return show(c, form, { problems: read.problems });
    const { input, config } = read;
    if (what !== 'start') return show(c, form, await forecastOr(() => forecastStart(hub, config)));
    const { workflowId, input: whole } = named(input, 'run');
    const memo = { model: config.model, profile: config.profile, startedBy: by.trim() || 'Studio' };
    await askTemporal(client, () =>
      startWorkflow(client, {
        ...{ type: 'fineTune', workflowId, input: whole, memo, priority: config.priority },
        summary: `${config.profile}: ${config.model}`,
      }),
    );
    return c.redirect(`/runs/${encodeURIComponent(workflowId)}?done=started`, 303);
  });

  /** The forecast, or what the run would be refused for; what does not answer is said and stops nobody. */
  async function forecastOr(
    make: () => Promise<StartForecast | null>,
  ): Promise<{ forecast?: StartForecast | null; warnings: string[] }> {
    const queues = await askTemporal(client, () => unservedQueues(client)).catch(() => []);
    try {
      const forecast = await make();
      const unknown = 'No forecast: the base does not tell its shape (transformer/config.json).';
      return { forecast, warnings: forecast === null ? [unknown, ...queues] : queues };
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      return { warnings: [error.message, ...queues] };
    }
  }
}

function profileOf(value: unknown): Profile {
  const known = PROFILES.find((one) => one === value);
  if (known !== undefined || value === undefined || value === '') return known ?? 'tiny';
  throw new PipelineError('InvalidInput', `profile: expected ${PROFILES.join(', ')}, got "${String(value)}"`);
}

function defaultsOf(profile: Profile): RunConfig {
  const parsed = parseRunConfig({ profile });
  if (parsed.ok) return parsed.value;
  throw new PipelineError('Internal', `expected the defaults of profile ${profile} to fit the schema`);
}

/** The input of a form, refused with the same words as on the command line. */
function readForm(
  form: StartForm,
): { ok: true; input: Record<string, unknown>; config: RunConfig } | { ok: false; problems: FieldProblem[] } {
  let more: unknown = {};
  try {
    more = form.json.trim() === '' ? {} : JSON.parse(form.json);
  } catch (error) {
    const problem = `expected JSON, got: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, problems: [{ field: '(json)', problem }] };
  }
  const own = inputOf(form.values, defaultsOf(form.profile));
  const run = form.run.trim();
  const input = mergeDeep(more, { ...own, profile: form.profile, ...(run === '' ? {} : { run }) });
  const parsed = parseRunConfig(input);
  return parsed.ok
    ? { ok: true, input: input as Record<string, unknown>, config: parsed.value }
    : { ok: false, problems: parsed.problems };
}

import { PROFILES, type Profile } from '../../domain/config/profiles.ts';
import type { FieldProblem } from '../../domain/config/run-config.ts';
import { figure } from '../../reports/render/markdown.ts';
import type { Role } from '../access/roles.ts';
import { FIELDS, type FormField, TOUCHED } from '../start/fields.ts';
import type { StartForecast } from '../start/forecast.ts';
import { block, type Html, html, shown } from './html.ts';
import { page } from './layout.ts';

/** What the form holds. */
export interface StartForm {
  profile: Profile;
  run: string;
  by: string;
  /** Text by field. */
  values: Readonly<Record<string, string>>;
  /** What no field holds, as JSON. */
  json: string;
  /** Run that it was made from; empty: none. */
  again: string;
}

/** The form to start a run, with what is wrong with it or what it would take. */
export function startPage(p: {
  role: Role;
  form: StartForm;
  problems: readonly FieldProblem[];
  forecast: StartForecast | null;
  warnings: readonly string[];
}): Html {
  const { form, problems, forecast } = p;
  const wrong = new Map(problems.map(({ field, problem }) => [field, problem]));
  const folded = FIELDS.filter(({ path }) => !TOUCHED.includes(path));
  const touched = TOUCHED.flatMap((path) => FIELDS.find((field) => field.path === path) ?? []);
  const isFoldOpen = folded.some(({ path }) => wrong.has(path));
  const inputs = (fields: readonly FormField[]) =>
    fields.map((field) => input(field, form, wrong.get(field.path)));
  return page({
    ...{ title: 'Start a run', role: p.role, at: '/start' },
    body: html`<h1>Start a run${form.again === '' ? '' : html`, again with changes of ${shown(form.again)}`}</h1>
${problemList(problems)}
<form class="filters" method="get" action="/start" aria-label="Profile">
<input type="hidden" name="again" value="${form.again}">
<label>Profile <select name="profile">${PROFILES.map((one) => html`<option${one === form.profile ? html` selected` : ''}>${one}</option>`)}</select></label>
<button>Use its defaults</button>
</form>
<form method="post" action="/start">
<input type="hidden" name="profile" value="${form.profile}"><input type="hidden" name="again" value="${form.again}">
<fieldset><legend>The run</legend><div class="fields">
<label>Name <input name="run" value="${form.run}" placeholder="from the time"${invalid(wrong.get('run'))}>${hint('run', wrong.get('run'))}</label>
<label>Your name <input name="by" value="${form.by}" autocomplete="name"></label>
${inputs(touched)}
</div></fieldset>
<details${isFoldOpen ? html` open` : ''}><summary>All ${folded.length} other fields</summary><div class="fields">${inputs(folded)}</div></details>
<details${form.json === '' || form.json === '{}' ? '' : html` open`}><summary>Lists and other values, as JSON</summary>
<label>What no field above holds, such as <code>{"tuning": {"space": …}}</code> <textarea name="json" rows="6" cols="60">${form.json}</textarea></label></details>
${forecastBlock(forecast, p.warnings)}
<p class="actions"><button name="do" value="forecast">Forecast</button> <button class="good" name="do" value="start">Start</button></p>
</form>
<p class="caption">Every field is in <code>docs/configuration.md</code>. A folder of one’s own starts with <code>plein-air start --from FOLDER</code>.</p>`,
  });
}

function problemList(problems: readonly FieldProblem[]): Html {
  if (problems.length === 0) return html``;
  return html`<div class="banner tone-bad" role="alert"><p>fineTune cannot start with this input:</p><ul>${problems.map(
    ({ field, problem }) => html`<li><code>${shown(field)}</code>: ${shown(problem)}</li>`,
  )}</ul></div>`;
}

const invalid = (problem: string | undefined): Html =>
  problem === undefined ? html`` : html` aria-invalid="true"`;

function hint(path: string, problem: string | undefined): Html {
  return problem === undefined
    ? html`<span class="hint">${path}</span>`
    : html`<span class="problem">${path}: ${shown(problem)}</span>`;
}

function input(field: FormField, form: StartForm, problem: string | undefined): Html {
  const { path, kind, options, nullable } = field;
  const value = form.values[path] ?? '';
  const listed = nullable ? ['', ...options] : options;
  const control =
    kind === 'choice'
      ? html`<select name="${path}"${invalid(problem)}>${listed.map((one) => html`<option value="${one}"${one === value ? html` selected` : ''}>${one === '' ? 'none' : one}</option>`)}</select>`
      : html`<input name="${path}" value="${value}"${kind === 'number' ? html` inputmode="decimal"` : ''}${nullable ? html` placeholder="none"` : ''}${invalid(problem)}>`;
  return html`<label>${wordsOf(path)} ${control}${hint(path, problem)}</label>`;
}

/** `training.learningRate` as "Learning rate". */
function wordsOf(path: string): string {
  const words = (path.split('.').at(-1) ?? '').replaceAll(/([A-Z])/g, ' $1').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function forecastBlock(forecast: StartForecast | null, warnings: readonly string[]): Html {
  const sentences = [...warnings, ...(forecast?.problem == null ? [] : [forecast.problem])];
  const warned =
    sentences.length === 0
      ? ''
      : html`<div class="banner tone-unsure" role="status">${sentences.map((s) => html`<p>${shown(s)}</p>`)}</div>`;
  if (forecast === null) return html`${warned}`;
  const { pictures, vramGb, storageGb, gpus } = forecast;
  return html`<section aria-label="Forecast"><h2>Forecast</h2>
<p>About ${vramGb.toFixed(1)} GB on the GPU, at most ${storageGb.toFixed(2)} GB of checkpoints on the Hub, for ${pictures} pictures. From shapes alone: it may be off by a factor of two.</p>
${block({
  kind: 'table',
  head: ['GPU', 'fits', 'training h', 'encoding h', 'evaluation h', 'Colab units', 'USD'],
  right: [2, 3, 4, 5, 6],
  rows: gpus.map((g) => [
    g.gpu,
    g.fits ? { mark: 'yes', tone: 'good' } : { mark: 'no', tone: 'bad' },
    ...[figure(g.hours), figure(g.encodingHours), figure(g.evaluationHours)],
    g.computeUnits === null ? '' : figure(g.computeUnits),
    g.usd === null ? '' : figure(g.usd),
  ]),
})}${warned}</section>`;
}

import { duration } from '../../reports/render/markdown.ts';
import type { ListedDetails } from '../../runs/list-runs.ts';
import type { Role } from '../access/roles.ts';
import { type RunDetails, RunFilter, type RunList } from '../live/run-list.ts';
import { type Html, html, mark, shown, time } from './html.ts';
import { type Fragments, missingBanner, page, place } from './layout.ts';
import { toneOfState } from './run-head.ts';

/** The parts of the list that change. */
export function runsFragments(list: RunList): Fragments {
  return { missing: missingBanner(list.missing), runs: table(list) };
}

/** The list of runs with its filters. */
export function runsPage(list: RunList, role: Role): Html {
  const fragments = runsFragments(list);
  const { filter } = list;
  const address = new URLSearchParams(filter).toString();
  return page({
    ...{ title: 'Runs', role, at: '/', live: `/live?${address}` },
    body: html`<h1>Runs</h1>
${place('missing', fragments)}
<form class="filters" method="get" action="/" role="search" aria-label="Filter runs">
${select('state', 'State', RunFilter.shape.state.unwrap().options, filter.state)}
${select('verdict', 'Verdict', RunFilter.shape.verdict.unwrap().options, filter.verdict)}
<label>Model <input name="model" value="${filter.model}" size="12"></label>
<label>Name begins with <input name="name" value="${filter.name}" size="12"></label>
<button>Show</button>
</form>
${place('runs', fragments)}
${
  list.runs.length < 100 || filter.show === '1000'
    ? ''
    : html`<p><a href="/?${new URLSearchParams({ ...filter, show: '1000' }).toString()}">Show the newest 1,000</a></p>`
}`,
  });
}

function select(name: string, label: string, options: readonly string[], chosen: string): Html {
  return html`<label>${label} <select name="${name}">${options.map(
    (option) =>
      html`<option value="${option}"${option === chosen ? html` selected` : ''}>${option === '' ? 'all' : option}</option>`,
  )}</select></label>`;
}

function table({ runs, details }: RunList): Html {
  if (runs.length === 0)
    return html`<p class="lead">No runs here. <code>plein-air start</code> starts one.</p>`;
  return html`<table class="runs"><thead><tr><th scope="col">run</th><th scope="col">state</th><th scope="col">phase</th><th scope="col">GPU</th><th scope="col">verdict</th><th scope="col">began</th><th scope="col" class="number">took</th></tr></thead><tbody>${runs.map(
    (run) => row(run, details.get(run.run)),
  )}</tbody></table>`;
}

function row(run: ListedDetails, details: RunDetails | undefined): Html {
  const tone = run.verdict === 'PASS' ? 'good' : run.verdict === 'FAIL' ? 'bad' : 'unsure';
  return html`<tr><th scope="row"><a href="/runs/${encodeURIComponent(run.run)}">${shown(run.run)}</a></th><td>${mark(run.state, toneOfState(run.state))}</td><td>${shown(run.phase)}${progress(details)}</td><td>${gpu(details)}</td><td>${run.verdict === '' ? '' : mark(run.verdict, tone)}</td><td>${time(new Date(run.startedAt))}</td><td class="number">${duration(run.seconds)}</td></tr>`;
}

function progress(details: RunDetails | undefined): Html {
  if (details === undefined || details.total === 0) return html``;
  const left = details.etaSeconds === null ? '' : `, ${duration(details.etaSeconds)} left`;
  return html` ${details.done} of ${details.total}${left}`;
}

function gpu(details: RunDetails | undefined): Html {
  if (details?.session == null) return html`${shown(details?.worker ?? '')}`;
  const { accelerator, source, openedAt, cost } = details.session;
  return html`${shown(accelerator)} of ${shown(source)} since ${time(openedAt)}, ${cost}`;
}

import { costOf } from '../../domain/gpu-source/session.ts';
import { attemptTable } from '../../reports/pages/report-training.ts';
import { duration, figure } from '../../reports/render/markdown.ts';
import type { RunView } from '../live/run-view.ts';
import { block, type Html, html, shown } from './html.ts';
import { activeWork } from './run-head.ts';

type Fact = [term: string, value: Html | string];

/** Newest figures of the work under way, machine, budget and money. */
export function figures(view: RunView): Html {
  const facts = [...measured(view), ...machine(view), ...budget(view)];
  if (facts.length === 0) return html``;
  return html`<dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function measured({ snapshot, curve }: RunView): Fact[] {
  const now = snapshot === null ? undefined : activeWork(snapshot)?.progress?.metrics;
  const value = (live: number | undefined, stored: number | undefined) => figure(live ?? stored ?? null);
  if (curve.loss.length === 0 && now?.loss === undefined) return [];
  const facts: Fact[] = [
    ['Loss', value(now?.loss, curve.loss.at(-1)?.value)],
    ['Held-out loss', value(now?.heldOutLoss, curve.heldOut.at(-1)?.value)],
    ['Learning rate', value(now?.learningRate, curve.learningRate.at(-1)?.value)],
  ];
  if (now?.imagesPerSecond !== undefined) facts.push(['Images a second', figure(now.imagesPerSecond)]);
  if (now?.vramBytes !== undefined) facts.push(['GPU memory', `${(now.vramBytes / 1e9).toFixed(1)} GB`]);
  return facts;
}

function machine({ snapshot, session, stored }: RunView): Fact[] {
  const gpu = snapshot?.status?.gpu ?? snapshot?.study?.gpu ?? null;
  const facts: Fact[] = [];
  const worker = snapshot?.pending.find(
    ({ worker: name, progress }) => name !== null && progress !== null,
  )?.worker;
  if (worker != null) facts.push(['Works on it', shown(worker)]);
  if (session !== null) {
    const cost = costOf(session, Date.now());
    facts.push([
      'GPU session',
      shown(`${session.source} ${session.accelerator}, ${cost.toFixed(2)} ${session.price.currency} so far`),
    ]);
  }
  if (gpu !== null && gpu.preemptions > 0)
    facts.push(['Interruptions', `${gpu.preemptions}, ${gpu.repeatedSteps} steps repeated`]);
  const last = stored?.saved.at(-1);
  if (last !== undefined) facts.push(['Newest checkpoint', `step ${last}`]);
  return facts;
}

function budget({ snapshot, stored }: RunView): Fact[] {
  const gpu = snapshot?.status?.gpu ?? null;
  const config = stored?.config ?? null;
  if (gpu === null) return [];
  const facts: Fact[] = [
    ['GPU time', duration(gpu.gpuSeconds)],
    ['GPU hours left', gpu.gpuHoursLeft.toFixed(2)],
  ];
  const price = config?.budget.gpuHourPrice ?? null;
  if (price !== null)
    facts.push(['Money', `${((gpu.gpuSeconds / 3600) * price).toFixed(2)} ${config?.budget.currency}`]);
  return facts;
}

/** The curves, drawn anew when a figure was added. */
export function curve(view: RunView): Html {
  const { curve: curves, curveVersion, workflowId } = view;
  if (curves.loss.length + curves.heldOut.length === 0) return html``;
  const last = Math.max(
    0,
    ...curves.loss.slice(-1).map(({ step }) => step),
    ...curves.heldOut.slice(-1).map(({ step }) => step),
  );
  const dashed =
    curves.preemptions.length === 0
      ? ''
      : ` Dashed: an attempt died after step ${curves.preemptions.join(', ')}, and another continued from the last checkpoint.`;
  return html`<h2>Curves</h2><figure class="plot"><img src="/runs/${encodeURIComponent(workflowId)}/curve.svg?v=${curveVersion}" width="730" height="390" alt="Training loss, held-out loss and learning rate up to step ${last}: loss ${figure(curves.loss.at(-1)?.value)}, held-out loss ${figure(curves.heldOut.at(-1)?.value)}"><figcaption>By training step.${dashed}</figcaption></figure>`;
}

/** Attempts at the training: machine, steps, how each ended. */
export function sessions({ stored }: RunView): Html {
  const attempts = stored?.attempts ?? [];
  return attempts.length === 0 ? html`` : html`<h2>GPU sessions</h2>${block(attemptTable(attempts))}`;
}

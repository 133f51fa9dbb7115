import type { GpuWork } from '../../domain/run/gpu-report.ts';
import { describeOutcome, outcomeOf } from '../../domain/run/outcome.ts';
import type { PhaseRecord } from '../../domain/run/phases.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';

/** A run's state as Markdown, for the current details in the Temporal UI. */
export function describeRun(status: RunStatus): string {
  const needs = status.needs === null ? [] : ['', `**Needs you:** ${status.needs}`];
  const gpu = status.gpu === null || status.state !== 'running' ? [] : ['', ...describeWork(status.gpu)];
  const outcome = outcomeOf(status);
  const { word, sentence } = describeOutcome(outcome);
  const ended = outcome.kind === 'unfinished' ? [] : ['', `**${word}:** ${oneLine(sentence)}`];
  return [
    `**${status.run}** (${status.profile}) is ${status.state}`,
    ...needs,
    ...ended,
    ...gpu,
    '',
    '| phase | status | result | time |',
    '|---|---|---|---|',
    ...status.phases.map(row),
  ].join('\n');
}

function row(phase: PhaseRecord): string {
  const { startedAt, endedAt } = phase;
  const time = startedAt === null || endedAt === null ? '' : `${((endedAt - startedAt) / 1000).toFixed(0)} s`;
  return `| ${phase.name} | ${phase.status} | ${oneLine(phase.result)} | ${time} |`;
}

/** Lines about work on the GPU queue: where it stands, what is saved, what it cost. */
function describeWork(work: GpuWork): string[] {
  const name =
    work.branch === '' || work.branch === 'main' ? work.activity : `${work.activity} ${work.branch}`;
  if (work.waitingForGpuSince !== null)
    return [`**${name}** has been waiting for a GPU since ${time(work.waitingForGpuSince)}`];
  const share = work.steps > 0 ? `, step ${work.step} of ${work.steps}` : '';
  const left = work.etaSeconds === null ? '' : `, ${Math.ceil(work.etaSeconds)} s left`;
  const saved = work.lastCheckpoint;
  const lines = [
    `**${name}**: ${work.stage}${share}${left}; attempt ${work.attempt} on ${work.worker ?? 'no worker'}, told at ${time(work.toldAt ?? 0)}`,
    '',
    `${work.preemptions} preemptions, ${work.repeatedSteps} steps repeated, goodput ${(100 * work.goodput).toFixed(1)} %, ${work.gpuHoursLeft.toFixed(2)} GPU hours left`,
  ];
  if (saved !== null)
    lines.push(
      '',
      `checkpoint: step ${saved.step}, commit ${saved.commit.slice(0, 12)}, saved at ${time(saved.at)}`,
    );
  return lines;
}

const time = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
const oneLine = (text: string) => text.replaceAll('|', '/').replaceAll('\n', ' ');

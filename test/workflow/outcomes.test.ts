import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CancelledFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { outcomeLine, resultOf } from '../../src/cli/outcome.ts';
import { describeSnapshot } from '../../src/cli/show-run.ts';
import { ERROR_KINDS, type ErrorKind, PipelineError } from '../../src/domain/errors.ts';
import type { GpuActivities, PipelineActivities } from '../../src/domain/run/activities.ts';
import type { Notice } from '../../src/domain/run/notices.ts';
import { describeOutcome, exitCodeOf, outcomeOf } from '../../src/domain/run/outcome.ts';
import { PHASES } from '../../src/domain/run/phases.ts';
import type { RunResult, RunStatus } from '../../src/domain/run/run-result.ts';
import type { RunSummary } from '../../src/domain/run/summary.ts';
import { takeSnapshot } from '../../src/runs/run-snapshot.ts';
import { markdownTable, tableInDocs } from '../docs/generated-table.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, contextOf, file, gate, stopped, trainingOf } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

let end: () => void = () => undefined;
const over = new Promise<void>((resolve) => {
  end = resolve;
});

/** How often the Hub was asked that is away. */
let asked = 0;

type Ports = Partial<PipelineActivities & GpuActivities>;

/** A way in which a run can end or stand still. */
interface Way {
  way: string;
  input?: object;
  ports?: Ports;
  /** What people do to it, until it has ended or stands as wanted. */
  meanwhile?: (handle: WorkflowHandle) => Promise<void>;
  /** It does not end by itself: what it says meanwhile is the row. */
  stands?: boolean;
}

const fixed = { tuning: { strategy: 'fixed' } };
const person = { by: 'Claire', reason: 'the light is right' };
const failing = (kind: ErrorKind, message: string) => async (): Promise<never> => {
  const { retryable } = ERROR_KINDS[kind];
  throw ApplicationFailure.create({ type: kind, message, nonRetryable: !retryable });
};
const training: Ports['train'] = async () => trainingOf({ outcome: await stopped(), step: 120 });
const cancelled: Ports['train'] = async () => {
  await stopped();
  throw new CancelledFailure('checkpoint is on the Hub');
};
const until = async (handle: WorkflowHandle, test: (status: RunStatus) => boolean) => {
  while (!test(await handle.query<RunStatus>('status'))) await environment.sleep('1s');
};
const inTraining = (handle: WorkflowHandle) => until(handle, (s) => s.phase === 'train' && s.gpu !== null);
const atGate = (handle: WorkflowHandle) => until(handle, (s) => s.state === 'waiting-for-approval');
const decide = (name: 'approve' | 'reject') => async (handle: WorkflowHandle) => {
  await atGate(handle);
  await handle.executeUpdate(name, { args: [person] });
};
const asks = { gate: { requireApproval: true } };
const overrides = { gate: { allowOverride: true } };
const judged = (verdict: 'FAIL' | 'INCONCLUSIVE'): Ports => ({ judge: async () => gate(verdict) });

const FAILURES: [ErrorKind, string, Ports][] = [
  [
    'BadData',
    'data that cannot be used',
    { planPreparation: failing('BadData', 'Expected pictures of style "X", got none') },
  ],
  ['Diverged', 'the loss is NaN', { train: failing('Diverged', 'loss is NaN at step 40') }],
  [
    'OutOfMemory',
    'the accelerator’s memory is too small',
    { train: failing('OutOfMemory', 'asked for 40 GiB, got 16') },
  ],
  [
    'Fenced',
    'another run of the name has taken over',
    { train: failing('Fenced', 'another attempt has taken over') },
  ],
  [
    'BudgetExhausted',
    'GPU hours are used up',
    { train: failing('BudgetExhausted', '24 of 24 GPU hours are used up') },
  ],
  ['HubRefused', 'the Hub refuses the token', { judge: failing('HubRefused', 'the token may not write') }],
  [
    'GateRefused',
    'what would ship is not what was judged',
    { publishRelease: failing('GateRefused', 'the sha256 differs') },
  ],
  [
    'Unhealthy',
    'the candidate does not paint what was judged',
    { tryRelease: failing('Unhealthy', 'it paints something else') },
  ],
];

const WAYS: Way[] = [
  { way: 'released' },
  { way: 'released after approval', input: asks, meanwhile: decide('approve') },
  {
    way: 'released against FAIL by a person',
    input: overrides,
    ports: judged('FAIL'),
    meanwhile: decide('approve'),
  },
  { way: 'refused by the gate', ports: judged('FAIL') },
  { way: 'gate inconclusive', ports: judged('INCONCLUSIVE') },
  { way: 'rejected by a person', input: asks, meanwhile: decide('reject') },
  { way: 'FAIL confirmed by a person', input: overrides, ports: judged('FAIL'), meanwhile: decide('reject') },
  { way: 'nobody approved in time', input: { gate: { requireApproval: true, approvalTimeoutHours: 1 } } },
  {
    way: 'nobody released against FAIL in time',
    input: { gate: { allowOverride: true, approvalTimeoutHours: 1 } },
    ports: judged('FAIL'),
  },
  {
    way: 'cancelled in training',
    ports: { train: cancelled },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.cancel();
    },
  },
  {
    way: 'cancelled while it waits for approval',
    input: asks,
    meanwhile: async (handle) => {
      await atGate(handle);
      await handle.cancel();
    },
  },
  {
    way: 'terminated by an operator',
    ports: { train: training },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.terminate('a test');
    },
  },
  { way: 'input that cannot work', input: { training: { rank: 0 } } },
  {
    way: 'the analysis blocks',
    ports: {
      analyze: async () => ({
        ...{ verdict: 'blocked', reasons: ['Only 21 training pictures'], cached: false },
        record: file('records/analysis.json'),
      }),
    },
  },
  ...FAILURES.map(([kind, what, ports]): Way => ({ way: `${what} (${kind})`, ports })),
  {
    way: 'the fleet may spend no more on it',
    ports: { train: training },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.signal('budgetSpent', '3.00 of 3.00 are spent for run evening (budget.money)');
    },
  },
  {
    way: 'a deployment failed half-way and was reverted',
    ports: {
      deploy: failing('Unhealthy', 'the Space did not come up'),
      settleDeploy: async () => 'production is v1 again',
    },
  },
  { way: 'waits for a GPU', ports: { train: training }, meanwhile: inTraining, stands: true },
  {
    way: 'asked to pause, training saves',
    ports: {
      train: async () => {
        await stopped();
        await over;
        throw new CancelledFailure('the test is over');
      },
    },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.signal('pause');
      await until(handle, (s) => s.state === 'pausing');
    },
    stands: true,
  },
  {
    way: 'paused',
    ports: { train: training },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.signal('pause');
      await until(handle, (s) => s.state === 'paused');
    },
    stands: true,
  },
  { way: 'waits for approval', input: asks, meanwhile: atGate, stands: true },
  {
    way: 'waits for a person to decide against FAIL',
    input: overrides,
    ports: judged('FAIL'),
    meanwhile: atGate,
    stands: true,
  },
  {
    way: 'asked to cancel, training saves',
    ports: {
      train: async () => {
        await stopped();
        await over;
        throw new CancelledFailure('the test is over');
      },
    },
    meanwhile: async (handle) => {
      await inTraining(handle);
      await handle.cancel();
      await until(handle, (s) => s.state === 'cancelling');
    },
    stands: true,
  },
  {
    way: 'the Hub is away',
    ports: {
      judge: () => {
        asked += 1;
        return failing('HubUnavailable', 'the Hub did not answer')();
      },
    },
    meanwhile: async () => {
      while (asked < 2) await environment.sleep('1s');
    },
    stands: true,
  },
];

const runOf = (index: number) => `way-${index + 1}`;

/** Activities that answer for each run as its way has them; notices and summaries are kept by run. */
function allPorts(
  notices: Map<string, Notice[]>,
  reports: Map<string, RunSummary>,
): ReturnType<typeof activities> {
  const base = activities({
    openRun: async ({ config, workflowId }) => ({
      ...contextOf(config, workflowId),
      operations: { searchAttributes: false, notifications: true },
    }),
    notify: async (notice) => {
      notices.set(notice.run, [...(notices.get(notice.run) ?? []), notice]);
    },
  });
  const documented = base.document;
  base.document = async (p) => {
    reports.set(p.summary.context.run, p.summary);
    return documented(p);
  };
  const runIn = (p: { context?: { run: string }; config?: { run: string } } | undefined) =>
    p?.context?.run ?? p?.config?.run ?? '';
  return Object.fromEntries(
    Object.entries(base).map(([name, usual]) => [
      name,
      (p: never) => {
        const way = WAYS[Number(runIn(p).slice(4)) - 1];
        const own = (way?.ports as Record<string, (p: never) => unknown> | undefined)?.[name];
        return (own ?? (usual as (p: never) => unknown))(p);
      },
    ]),
  ) as unknown as ReturnType<typeof activities>;
}

/** Without what differs from one run of the test to the next. */
const steady = (text: string) =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colors
    .replaceAll(/\u001b\[\d+m/g, '')
    .replaceAll(/way-\d+/g, 'RUN')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '…')
    .replaceAll(/ for -?(?=\d)/g, ' for ')
    .replaceAll(/attempt \d+/g, 'attempt N')
    .replaceAll(/\d+ h \d+ min|\d+ min \d+ s|\d+\.\d+ s/g, '…');

/** What `status` prints besides the phases and the figures of the work under way. */
async function statusOf(workflowId: string): Promise<string> {
  const lines = describeSnapshot(await takeSnapshot(environment.client, workflowId), []).map(steady);
  const [head = '', ...rest] = lines;
  const isPhase = (line: string) => PHASES.some((phase) => new RegExp(`^\\W*${phase}( |$)`).test(line));
  const said = rest.filter((line) => !isPhase(line) && (!line.startsWith('  ') || / waits for /.test(line)));
  return [head.replace(/ after .*/, ''), ...said.map((line) => line.trim())].join(' · ');
}

async function watchOf(workflowId: string): Promise<[line: string, exitCode: string]> {
  try {
    const outcome = outcomeOf(await resultOf<RunResult>(environment.client, workflowId));
    return [outcomeLine(outcome), String(exitCodeOf(outcome))];
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return [`${error.kind}: ${error.message}`, String(ERROR_KINDS[error.kind].exitCode)];
  }
}

/** The first lines of the details in Temporal's own page. */
async function detailsOf(handle: WorkflowHandle): Promise<string> {
  const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  const lines = currentDetails?.split('\n') ?? [];
  return lines
    .filter((line) => line !== '' && !line.startsWith('|'))
    .slice(0, 2)
    .join(' · ');
}

describe('every way in which a run can end or stand still', () => {
  it('is said alike by status, watch, Temporal’s page, webhook and report', async () => {
    const notices = new Map<string, Notice[]>();
    const reports = new Map<string, RunSummary>();
    const rows: string[][] = [];
    await withWorkers({ environment, workflowBundle, activities: allPorts(notices, reports) }, async () => {
      for (const [index, { way, input = {}, meanwhile, stands }] of WAYS.entries()) {
        const run = runOf(index);
        const handle = await environment.client.workflow.start('fineTune', {
          ...{ taskQueue: 'pipeline', workflowId: run, args: [{ ...fixed, run, ...input }] },
        });
        await meanwhile?.(handle);
        if (stands !== true) await handle.result().catch(() => undefined);
        const [line, exitCode] = stands === true ? ['(follows)', ''] : await watchOf(run);
        const details = await detailsOf(handle).catch(() => '');
        const told = (notices.get(run) ?? [])
          .map(({ event }) => event)
          .sort()
          .join(', ');
        const summary = reports.get(run);
        const report =
          summary === undefined || stands === true ? '' : describeOutcome(outcomeOf(summary)).word;
        rows.push([way, await statusOf(run), line, exitCode, details, told, report].map(steady));
        if (stands === true) await handle.terminate();
      }
      end();
    });
    expect(rows.length).toBeGreaterThan(24);
    const head = [
      'what happened',
      '`status`',
      '`watch` ends with',
      'exit code',
      'Temporal’s page',
      'webhook',
      'report',
    ];
    const made = markdownTable(head, rows);
    expect(tableInDocs('outcomes.md', 'outcomes', made)).toBe(made);
  }, 400_000);
});

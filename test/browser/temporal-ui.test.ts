import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { Browser, Locator, Page } from 'playwright-core';
import type { GpuProgress } from '../../src/domain/run/activities.ts';
import type { RunResult, RunStatus } from '../../src/domain/run/run-result.ts';
import { freePort } from '../../src/wire/free-port.ts';
import { reportProgress, runReports } from '../../src/workers/run-reports.ts';
import { devServer } from '../temporal/dev-server.ts';
import { bundle } from '../workflow/environment.ts';
import { activities, contextOf, trainingOf } from '../workflow/fakes.ts';
import { hasChromium, startBrowser } from './chromium.ts';

const there = hasChromium('Temporal UI');
const described = there ? describe : describe.skip;

let environment: TestWorkflowEnvironment;
let ui = '';
let browser: Browser;
let workers: Worker[] = [];
let served: Promise<unknown> = Promise.resolve();
let finishTraining: () => void = () => undefined;
const trained = new Promise<void>((resolve) => {
  finishTraining = resolve;
});

const PROGRESS: GpuProgress = {
  stage: 'train',
  done: 120,
  total: 300,
  etaSeconds: 54,
  metrics: { step: 120, loss: 0.4, preemptions: 1, repeatedSteps: 20, runGpuSeconds: 360 },
  lastCheckpoint: { step: 100, commit: 'c0ffee'.repeat(7).slice(0, 40), at: Date.now() },
};

async function train() {
  Context.current().heartbeat(PROGRESS);
  // The run is told when the attempt begins, and again two seconds later.
  const beat = setInterval(() => reportProgress(PROGRESS), 500);
  await trained;
  clearInterval(beat);
  return trainingOf();
}

beforeAll(async () => {
  if (!there) return;
  const port = await freePort();
  const [server, workflowBundle] = await Promise.all([
    devServer({ ui: true, extraArgs: ['--ui-port', String(port)] }),
    bundle(),
  ]);
  environment = server;
  ui = `http://127.0.0.1:${port}`;
  const operations = { searchAttributes: true, notifications: false };
  const steps = activities({
    openRun: async ({ config, workflowId, runId }) => ({
      ...contextOf(config, workflowId),
      ...{ runId, operations },
    }),
    train,
  });
  const connection = environment.nativeConnection;
  const reports = { activity: [() => ({ inbound: runReports('gpu-in-test', []) })] };
  workers = [
    await Worker.create({ connection, activities: steps, taskQueue: 'pipeline', workflowBundle }),
    await Worker.create({ connection, activities: steps, taskQueue: 'gpu', interceptors: reports }),
  ];
  served = Promise.all(workers.map((worker) => worker.run()));
  browser = await startBrowser();
}, 120_000);

afterAll(async () => {
  finishTraining();
  await browser?.close();
  for (const worker of workers) worker.shutdown();
  await served;
  await environment?.teardown();
});

/** Keeps a picture of a page in the folder that `PLEIN_AIR_SCREENSHOTS` names. */
async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env.PLEIN_AIR_SCREENSHOTS;
  if (folder !== undefined) await page.screenshot({ path: `${folder}/temporal-ui-${name}.png` });
}

/** Fills the form under "Start Workflow" as a person would. */
async function start(page: Page, workflowId: string, input: string): Promise<void> {
  await page.goto(`${ui}/namespaces/default/workflows/start-workflow`);
  await page.locator('#workflowId').fill(workflowId);
  await page.locator('#taskQueue').fill('pipeline');
  await page.locator('#workflowType').fill('fineTune');
  await page.locator('.cm-content').first().click();
  await page.keyboard.insertText(input);
  // Leaving the editor formats the input, which moves the button.
  await page.locator('#workflowId').click();
  for (let i = 0; i < 20; i++) {
    await page.getByTestId('start-workflow-button').click();
    await page.waitForTimeout(500);
    const started = await environment.client.workflow
      .getHandle(workflowId)
      .describe()
      .catch(() => null);
    if (started !== null) return;
  }
  throw new Error(`expected the form to start ${workflowId}, and it did not`);
}

/** What a page shows, with its frames: the UI renders Markdown in one. */
async function textOf(page: Page): Promise<string> {
  const texts = page.frames().map((frame) =>
    frame
      .locator('body')
      .textContent()
      .catch(() => ''),
  );
  return (await Promise.all(texts)).join('\n');
}

/** Waits until a page shows some words; all that it shows then. */
async function shows(page: Page, words: string): Promise<string> {
  let text = '';
  for (let i = 0; i < 300; i++) {
    text = await textOf(page);
    if (text.includes(words)) return text;
    await page.waitForTimeout(100);
  }
  await shoot(page, 'not-shown');
  throw new Error(`expected the page to show "${words}", got: ${text.slice(0, 3000)}`);
}

async function open(page: Page, workflowId: string): Promise<void> {
  const { runId } = await environment.client.workflow.getHandle(workflowId).describe();
  await page.goto(`${ui}/namespaces/default/workflows/${workflowId}/${runId}/user-metadata`);
}

async function reached(workflowId: string, test: (status: RunStatus) => boolean): Promise<void> {
  const handle = environment.client.workflow.getHandle(workflowId);
  let last: unknown = null;
  for (let i = 0; i < 900; i++) {
    last = await handle.query<RunStatus>('status').catch(String);
    if (typeof last === 'object' && test(last as RunStatus)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${workflowId} did not get there: ${JSON.stringify(last)}`);
}

described('the Temporal UI', () => {
  it('starts a run from its form with {} and shows phase, progress and checkpoint', async () => {
    const page = await browser.newPage({ viewport: { width: 1400, height: 1400 } });
    await start(page, 'from-the-form', '{}');
    await reached('from-the-form', (s) => s.gpu?.branch === 'trial-0' && s.gpu.step === 120);
    await open(page, 'from-the-form');
    const text = await shows(page, 'step 120 of 300');
    await shoot(page, 'run');
    expect(text).toMatch(/tune\s*running/);
    expect(text).toContain('54 s left');
    expect(text).toContain('checkpoint: step 100, commit c0ffeec0ffee');
    expect(text).toContain('1 preemptions, 20 steps repeated');
    await page.getByTestId('search-attributes-tab').first().click();
    await page.getByText('PleinAirPhase').first().waitFor();
    await page.close();
  }, 150_000);

  it('approves a candidate that waits, by an update', async () => {
    finishTraining();
    const page = await browser.newPage({ viewport: { width: 1400, height: 1400 } });
    await start(page, 'to-approve', '{"tuning": {"strategy": "fixed"}, "gate": {"requireApproval": true}}');
    await reached('to-approve', (s) => s.state === 'waiting-for-approval');
    await open(page, 'to-approve');
    await shows(page, 'Needs you');
    const visible = (what: Locator) => what.locator('visible=true');
    await visible(page.getByRole('button', { name: 'More Actions' }))
      .first()
      .click();
    await visible(page.getByText('Send an Update')).first().click();
    await visible(page.getByTestId('update-select-button')).first().click();
    await visible(page.getByRole('option', { name: 'approve', exact: true }))
      .first()
      .click();
    await visible(page.locator('.cm-content')).last().click();
    await page.keyboard.insertText('{"by": "Berthe", "reason": "the light is right"}');
    await shoot(page, 'update');
    // Leaving the editor formats the input, which moves the button.
    await visible(page.getByText('Update ID (optional)')).last().click();
    await visible(page.getByRole('button', { name: 'Submit' }))
      .last()
      .click();
    await page.getByRole('button', { name: 'Submit' }).last().waitFor({ state: 'hidden' });
    const result = (await environment.client.workflow.getHandle('to-approve').result()) as RunResult;
    expect(result.approval).toMatchObject({ decision: 'approved', by: 'Berthe' });
    await page.close();
  }, 150_000);
});

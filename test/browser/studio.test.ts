import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Context } from '@temporalio/activity';
import { Worker } from '@temporalio/worker';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import { createRollBack } from '../../src/activities/release/roll-back.ts';
import { createNameRelease } from '../../src/activities/run/open-run.ts';
import { RepoId } from '../../src/domain/refs.ts';
import type { GpuProgress } from '../../src/domain/run/activities.ts';
import type { RunResult } from '../../src/domain/run/run-result.ts';
import { runInTest, store, storeAll } from '../activities/run-in-test.ts';
import { endWorkers, type StudioInTest, studioInTest } from '../studio/studio-in-test.ts';
import { bundle } from '../workflow/environment.ts';
import { activities, contextOf, trainingOf } from '../workflow/fakes.ts';
import { axeViolations, hasChromium, overflow, startBrowser, VIEWS } from './chromium.ts';

const there = hasChromium('Studio');
const described = there ? describe : describe.skip;

let studio: StudioInTest;
let browser: Browser;
let workers: Worker[] = [];
let served: Promise<unknown> = Promise.resolve();

/** What the training says of itself; a test changes it. */
let progress: GpuProgress = {
  ...{ stage: 'train', done: 120, total: 300, etaSeconds: 54, lastCheckpoint: null },
  metrics: { step: 120, loss: 0.4321, heldOutLoss: 0.5, learningRate: 1e-3, imagesPerSecond: 7 },
};
let finishTraining: () => void = () => undefined;
const trained = new Promise<void>((resolve) => {
  finishTraining = resolve;
});

async function train() {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(progress), 100);
  await Promise.race([trained, context.cancelled.catch(() => undefined)]);
  clearInterval(beat);
  return trainingOf(context.cancellationSignal.aborted ? { outcome: 'stopped', step: 120 } : {});
}

beforeAll(async () => {
  if (!there) return;
  const [started, workflowBundle] = await Promise.all([studioInTest('plein-air'), bundle()]);
  studio = started;
  const { hub } = studio;
  const steps = activities({
    nameRelease: createNameRelease({ hub }),
    rollBack: createRollBack({ hub }),
    openRun: async ({ config, workflowId, runId }) => ({
      ...contextOf(config, workflowId),
      ...{ runId, operations: { searchAttributes: true, notifications: false } },
    }),
    train,
  });
  const shared = {
    ...{ connection: studio.environment.nativeConnection, activities: steps },
    maxHeartbeatThrottleInterval: '100ms',
  } as const;
  workers = [
    await Worker.create({ ...shared, taskQueue: 'pipeline', workflowBundle }),
    await Worker.create({ ...shared, taskQueue: 'gpu' }),
  ];
  served = Promise.all(workers.map((worker) => worker.run()));
  for (const run of ['stored', 'second']) {
    const config = { deployment: { space: false } };
    await createDeploy({ hub })(await runInTest({ hub, namespace: 'plein-air', run, config }));
  }
  const { client } = studio.environment;
  await client.workflow.start('fineTune', {
    ...{ taskQueue: 'pipeline', workflowId: 'living' },
    args: [{ tuning: { strategy: 'fixed' }, gate: { requireApproval: true } }],
  });
  browser = await startBrowser();
}, 120_000);

afterAll(async () => {
  finishTraining();
  await browser?.close();
  await endWorkers(workers, served);
  await studio?.stop();
});

/** A browser of somebody with a link of a role, on a page. */
async function visit(
  path: string,
  role: 'look' | 'rate' | 'steer' = 'steer',
  view: object = {},
): Promise<Page> {
  const context = await browser.newContext(view);
  // A machine that other work fills takes its time.
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  await page.goto(studio.link(role));
  await page.waitForURL((url) => url.pathname !== '/enter');
  await page.goto(`${studio.url}${path}`);
  return page;
}

const strip = (color: string) =>
  sharp({ create: { width: 256, height: 64, channels: 3, background: color } })
    .png()
    .toBuffer();

/** A run with so many evaluated samples. */
async function seedPairs(count: number): Promise<void> {
  const { context } = await runInTest({ hub: studio.hub, namespace: 'plein-air', run: 'rated' });
  const samples = Array.from({ length: count }, (_, i) => ({
    ...{ id: `s${i}`, promptId: `p${i}`, prompt: `a river, ${i}`, text: `a river, ${i}` },
    ...{ trigger: true, seed: i, genre: 'landscape' },
  }));
  const [ours, theirs] = await Promise.all(['#4a6fb3', '#b5503f'].map(strip));
  await storeAll(
    studio.hub,
    { type: 'dataset', repo: context.repos.record },
    {
      'evaluation/samples.json': JSON.stringify(samples),
      ...Object.fromEntries(samples.map(({ id }) => [`evaluation/candidate/${id}.png`, ours ?? ''])),
      ...Object.fromEntries(samples.map(({ id }) => [`evaluation/base/${id}.png`, theirs ?? ''])),
    },
  );
}

const PAGES = [
  ...['/', '/runs/living', '/runs/stored', '/runs/stored/data', '/start'],
  ...['/models/painter', '/models/painter/compare?left=v1&right=v2'],
];

described('Studio', () => {
  it.each(VIEWS.flatMap((view) => PAGES.map((path) => ({ path, ...view }))))(
    'has no axe violations, loads nothing from elsewhere and does not scroll sideways: $path, $name',
    async ({ path, colorScheme, viewport }) => {
      const page = await visit('/', 'steer', { colorScheme, viewport });
      const problems: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
      });
      page.on('request', (request) => {
        if (!request.url().startsWith(studio.url)) problems.push(request.url());
      });
      await page.goto(`${studio.url}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
      expect(problems).toEqual([]);
      await page.context().close();
    },
  );

  it('reads without a script', async () => {
    const page = await visit('/runs/stored', 'look', { javaScriptEnabled: false });
    expect(await page.locator('main').textContent()).toContain('a river <b>&</b>');
    const images = page.locator('.beside img');
    await images.first().scrollIntoViewIfNeeded();
    expect(await images.count()).toBeGreaterThan(3);
    await page.goto(`${studio.url}/`);
    await page.getByRole('link', { name: 'living' }).click();
    expect(await page.locator('h1').textContent()).toBe('living');
    await page.context().close();
  });

  it('shows a training as it goes on, a new image and a lost machine, without loading the page again', async () => {
    const page = await visit('/runs/living');
    await page.getByText('train 120 of 300').waitFor();
    await page.getByText('0.4321').waitFor();
    await page.evaluate('window.isTheSamePage = true');

    progress = { ...progress, done: 130, metrics: { ...progress.metrics, step: 130, loss: 0.3987 } };
    await page.getByText('0.3987').waitFor();
    await page.getByAltText(/held-out loss and learning rate up to step 130/).waitFor();

    const record = { type: 'dataset', repo: RepoId.parse('plein-air/living-record') } as const;
    await studio.hub.ensureRepo(record);
    await store(studio.hub, record, 'samples/main/step-00000100.png', await strip('#4a6fb3'));
    const image = page.getByAltText('Images after step 100 of training');
    await image.waitFor();
    await store(studio.hub, record, 'samples/main/step-00000130.png', await strip('#b5503f'));
    await page.getByRole('slider').waitFor();
    await page.getByRole('slider').press('ArrowLeft');
    await page.getByAltText('Images after step 100 of training').waitFor({ state: 'visible' });

    progress = { ...progress, done: 105, metrics: { ...progress.metrics, step: 105, loss: 0.44 } };
    await page.getByText('an attempt died after step 130').waitFor();
    expect(await page.evaluate('window.isTheSamePage')).toBe(true);
    await page.context().close();
  }, 150_000);

  it('says what is missing, and recovers by itself', async () => {
    const page = await visit('/runs/living');
    await page.getByText('train 105 of 300').waitFor();
    await studio.temporalSwitch.cut();
    await page.getByText('Temporal does not answer').waitFor();
    expect(await page.getByText('train 105 of 300').isVisible()).toBe(true);
    await studio.temporalSwitch.join();
    await page.getByText('Temporal does not answer').waitFor({ state: 'detached' });

    await studio.hubSwitch.cut();
    await page.getByText('The Hub does not answer').waitFor();
    await studio.hubSwitch.join();
    await page.getByText('The Hub does not answer').waitFor({ state: 'detached' });

    await studio.kill();
    await page.getByText('Studio does not answer').waitFor();
    await studio.restart();
    await page.getByText('Studio does not answer').waitFor({ state: 'hidden' });
    progress = { ...progress, metrics: { ...progress.metrics, loss: 0.4123 } };
    await page.getByText('0.4123').waitFor();
    await page.context().close();
  }, 150_000);

  it('starts a run from its form, after naming what is wrong with it', async () => {
    const page = await visit('/start');
    await page.getByLabel('Name', { exact: false }).first().fill('from-the-form');
    await page.getByLabel('Rank').fill('many');
    await page.getByLabel('Strategy').selectOption('fixed');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('expected number, got "many"').first().waitFor();
    expect(await page.getByLabel('Rank').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Rank').fill('16');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('Started.').waitFor();
    const { memo } = await studio.environment.client.workflow.getHandle('from-the-form').describe();
    expect(memo).toMatchObject({ profile: 'tiny', startedBy: 'Studio' });
    await page.getByRole('link', { name: 'Again with changes' }).click();
    await page.getByRole('heading', { name: /again with changes of from-the-form/ }).waitFor();
    expect(await page.getByLabel('Rank').inputValue()).toBe('16');
    await page.context().close();
  }, 150_000);

  it('compares two releases and rolls back', async () => {
    const page = await visit('/models/painter');
    await page.getByText('v2 is in production').waitFor();
    await page.getByRole('button', { name: 'Compare' }).click();
    const images = page.getByAltText(/a river <b>&<\/b>.*, v[12]$/);
    await images.first().waitFor();
    expect(await images.count()).toBe(4);
    await page.getByRole('link', { name: 'painter' }).click();
    await page.getByText('Put another release into production').click();
    await page.getByLabel('Your name').fill('Berthe');
    await page.getByLabel('Reason').fill('the older light');
    await page.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText('The rollback is under way').waitFor();
    for (let i = 0; i < 100; i++) {
      await page.goto(`${studio.url}/models/painter`);
      if (await page.getByText('v1 is in production').isVisible()) break;
      await page.waitForTimeout(300);
    }
    expect(await page.getByText('v1 is in production').isVisible()).toBe(true);
    await page.context().close();
  }, 150_000);

  it('has 20 blind pairs rated by keyboard, from a link that can do nothing else', async () => {
    await seedPairs(19);
    const host = await visit('/rate/rated');
    await host.getByRole('button', { name: 'Make pairs' }).click();
    await host.getByText('20 pairs').waitFor();
    const page = await visit('/rate/rated', 'rate', { viewport: { width: 390, height: 844 } });
    expect((await page.request.get(`${studio.url}/runs/rated`)).status()).toBe(403);
    await page.getByLabel('Your name').fill('Berthe');
    await page.getByRole('button', { name: 'Begin' }).click();
    for (let pair = 1; pair <= 20; pair++) {
      for (const words of ['more like the style', 'what was asked for', 'better picture']) {
        await page.getByText(`Pair ${pair} of 20`).waitFor();
        await page.getByRole('heading', { name: words }).waitFor();
        // The script that hears the key has run only then.
        await page.waitForLoadState('load');
        if (pair === 4) expect(await axeViolations(page)).toEqual([]);
        expect(await page.content()).not.toMatch(/candidate|evaluation\/|base\//);
        await page.keyboard.press('ArrowLeft');
      }
    }
    await page.getByText('20 of 20 pairs are on the record').waitFor();
    await host.reload();
    await host.getByText('Rated by Berthe').waitFor();
    await page.context().close();
    await host.context().close();
  }, 300_000);

  it('pauses and resumes', async () => {
    const page = await visit('/runs/living');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('The run will save a checkpoint and pause.').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('The run continues.').waitFor();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.context().close();
  }, 150_000);

  it('lets a person decide on the width of a phone', async () => {
    finishTraining();
    const page = await visit('/runs/living', 'steer', { viewport: { width: 390, height: 844 } });
    await page.getByLabel('Your name').fill('Berthe');
    await page.getByLabel('Reason').fill('the light is right');
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved.').waitFor();
    const result = (await studio.environment.client.workflow.getHandle('living').result()) as RunResult;
    expect(result.approval).toMatchObject({
      decision: 'approved',
      by: 'Berthe',
      reason: 'the light is right',
    });
    await page.getByText('Released.').waitFor();
    await page.context().close();
  });
});

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import type { Browser, Page } from 'playwright-core';
import { createDeploy } from '../../src/activities/deploy.ts';
import { TINY_BASE } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { findRelease, releaseRepo } from '../../src/releases/catalogue.ts';
import { connectSpaceApp } from '../../src/space/gradio.ts';
import { publishSpace } from '../../src/space/space-repo.ts';
import { trySpace } from '../../src/space/try-space.ts';
import { seedTinyBase } from '../../src/wikiart/generated/seed-base.ts';
import { runInTest, sha } from '../activities/run-in-test.ts';
import { axeViolations, hasChromium, overflow, startBrowser, VIEWS } from './chromium.ts';

const TOKEN = 'hf_local_plein_air';
const PYTHON = resolve('gpu-worker/.venv/bin/python');
/** A small adapter for the tiny base, with an effect that can be seen. */
const ADAPTER = `
import sys, torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
from diffusers import FluxPipeline
torch.manual_seed(0)
model = FluxTransformer2DModel.from_pretrained(sys.argv[1], subfolder="transformer")
model.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"], init_lora_weights=False))
with torch.no_grad():
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.mul_(0.5)
FluxPipeline.save_lora_weights(sys.argv[2], transformer_lora_layers=get_peft_model_state_dict(model))
`;

const canRun = hasChromium('Space app') && existsSync(PYTHON);
const described = canRun ? describe : describe.skip;

described('the Space’s app in a browser, on the tiny base', () => {
  let root: string;
  let server: Awaited<ReturnType<typeof startLocalHub>>;
  let hub: Hub;
  let browser: Browser;
  let url = '';
  const space = RepoId.parse('team/painter-space');
  const release = RepoId.parse('team/painter');

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'space-app-'));
    server = await startLocalHub({ root: join(root, 'hub'), runSpaces: { python: PYTHON } });
    hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
    await seedTinyBase({
      ...{ hubUrl: server.url, accessToken: TOKEN, repo: 'plein-air/tiny-flux', folder: TINY_BASE },
    });
    const base = await hub.resolve({ type: 'model', repo: RepoId.parse('plein-air/tiny-flux') });
    await execa(PYTHON, ['-c', ADAPTER, TINY_BASE, root]);
    const { readFile } = await import('node:fs/promises');
    const adapter = await readFile(join(root, 'pytorch_lora_weights.safetensors'));
    const made = await runInTest({ hub, namespace: 'team', run: 'browser', adapter });
    const request = { ...made, context: { ...made.context, base: { ...made.context.base, commit: base! } } };
    // Released without its Space: the fixture's judged pictures are coloured squares, which no adapter paints.
    const bare = {
      ...request.context.config,
      deployment: { ...request.context.config.deployment, space: false },
    };
    await createDeploy({ hub })({ ...request, context: { ...request.context, config: bare } });
    const entry = await findRelease(hub, release, 'v1');
    if (entry === null) throw new Error('not released');
    const commit = await publishSpace({
      ...{ hub, space, release, entry, message: 'Serve v1', private: true },
      prepare: () => hub.setSpaceSecret(space, { key: 'HF_TOKEN', value: TOKEN }),
    });
    const trial = await trySpace({
      ...{ hub, space, commit, token: TOKEN, startMs: 400_000, paintMs: 60_000 },
      expected: { revision: entry.commit, tag: 'v1', adapterSha256: sha(adapter) },
      smoke: { request: { prompt: 'a lake, plnr impressionism', seed: 1, size: 128 }, judged: null },
      onStep: () => undefined,
    });
    if (trial.outcome !== 'healthy') throw new Error(trial.problem);
    url = (await hub.spaceHost(space)) ?? '';
    browser = await startBrowser();
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const painted = async (page: Page) => {
    await page.getByRole('button', { name: 'Paint' }).click();
    await page.getByText(/Seed \d+ · strength/).waitFor({ timeout: 60_000 });
    return page.getByText(/Seed \d+ · strength/).textContent();
  };

  it('paints base and style side by side for a prompt and a seed', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    await page.goto(url);
    await page.getByLabel('What should the picture show?').fill('a field at dusk');
    await page.getByLabel('Seed').fill('7');
    expect(await painted(page)).toContain('“a field at dusk, plnr impressionism”');
    for (const label of ['Base model', 'With the style'])
      expect(await page.locator(`[data-testid="block-label"]:has-text("${label}")`).count()).toBeGreaterThan(
        0,
      );
    expect(
      await page.locator('.image-frame img, [data-testid="image"] img, .image-container img').count(),
    ).toBeGreaterThanOrEqual(2);
    expect(await page.getByText('From the standard sample set').count()).toBeGreaterThan(0);
    const folder = process.env.PLEIN_AIR_SCREENSHOTS;
    if (folder !== undefined) await page.screenshot({ path: join(folder, 'space.png'), fullPage: true });
    await page.close();
  }, 120_000);

  it('gives the same pictures for the same seed, the base’s own at strength 0, and others with the style', async () => {
    const app = await connectSpaceApp(url, TOKEN, 20_000);
    try {
      const ask = { prompt: 'a river in spring', seed: 3 };
      const first = await app.paint({ ...ask, strength: 1 }, 60_000);
      const again = await app.paint({ ...ask, strength: 1 }, 60_000);
      const plain = await app.paint(
        { prompt: 'a river in spring, plnr impressionism', seed: 3, strength: 0 },
        60_000,
      );
      expect(again).toEqual(first);
      expect(plain.painted).toEqual(plain.base);
      expect(first.painted).not.toEqual(first.base);
      expect((await app.served(20_000)).adapterSha256).toBe(
        sha((await hub.read(releaseRepo(release), 'v1', 'pytorch_lora_weights.safetensors')) ?? ''),
      );
    } finally {
      app.close();
    }
  }, 120_000);

  it.each(VIEWS)(
    'can be used by everybody: $name',
    async ({ colorScheme, viewport }) => {
      const page = await browser.newPage({ colorScheme, viewport });
      await page.goto(url);
      await page.getByRole('button', { name: 'Paint' }).waitFor();
      expect(await overflow(page)).toBe(0);
      // Gradio's own parts have violations of their own; ours is what the page adds.
      const serious = (await axeViolations(page)).filter((line) =>
        /^(label|image-alt|button-name|link-name)/.test(line),
      );
      expect(serious).toEqual([]);
      await page.close();
    },
    60_000,
  );
});

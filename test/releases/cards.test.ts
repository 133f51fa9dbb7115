import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import type { VariantRecord } from '../../src/domain/config/variants.ts';
import { readLicense } from '../../src/domain/release/license.ts';
import { connectHub } from '../../src/hub/client.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { releaseRepo } from '../../src/releases/catalog.ts';
import { variantTexts } from '../../src/reports/cards/variant-card.ts';
import { type DeployRequest, fluxLicenseInTest, runInTest } from '../activities/run-in-test.ts';

const PYTHON = resolve('gpu-worker/.venv/bin/python');
const VALIDATE = `
import json, sys
from huggingface_hub import ModelCard, SpaceCard
from huggingface_hub.repocard_data import model_index_to_eval_results
found = {}
for kind, path in zip(("model", "space", "flux", "variant"), sys.argv[1:]):
    card = (SpaceCard if kind == "space" else ModelCard)(open(path, encoding="utf-8").read(), ignore_metadata_errors=False)
    card.validate(repo_type="space" if kind == "space" else "model")
    found[kind] = card.data.to_dict()
    if kind in ("model", "flux"):
        found[kind + "Results"] = [
            {"type": r.metric_type, "value": r.metric_value, "args": r.metric_args, "dataset": r.dataset_type, "revision": r.dataset_revision}
            for r in card.data.eval_results
        ]
print(json.dumps(found, default=str))
`;

interface Found {
  model: { license: string; base_model: string; widget: { text: string; output: { url: string } }[] };
  space: { sdk: string; app_file: string };
  variant: { license_name: string; base_model: string; base_model_relation: string };
  flux: { license: string; license_name: string; license_link: string; base_model_relation: string };
  modelResults: { type: string; value: number; args: { low: number; high: number }; revision: string }[];
}

/** The card of an int8 variant of a FLUX run. */
function variantCardOf({ context, evaluation }: DeployRequest): string {
  const { sha256 } = evaluation.adapter;
  const record: VariantRecord = {
    ...{ format: 1, kind: 'int8', key: sha256, adapterSha256: sha256, base: context.base, run: context.run },
    ...{ files: [], trial: { pictures: 4, distance: 0.004 } },
  };
  const { card, notice } = variantTexts(
    record,
    context,
    readLicense({
      card: { license: 'other', name: 'flux-1-dev-non-commercial-license' },
      file: { path: 'LICENSE.md', sha256, text: fluxLicenseInTest() },
    }),
  );
  expect(notice).toContain('Non-Commercial License');
  for (const line of notice.trim().split('\n\n').at(-1)?.split('\n') ?? []) expect(card).toContain(line);
  expect(card).toMatch(
    /modifies black-forest-labs\/FLUX\.1-dev.*quantized with torchao.*not the original model/,
  );
  return card;
}

const described = existsSync(PYTHON) ? describe : describe.skip;

described('huggingface_hub’s own card check', () => {
  let root: string;
  let server: Awaited<ReturnType<typeof startLocalHub>>;
  let found: Found;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'cards-'));
    server = await startLocalHub({ root: join(root, 'hub') });
    const hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
    const tiny = await runInTest({ hub, namespace: 'team', run: 'tiny' });
    const flux = await runInTest({
      ...{ hub, namespace: 'team', run: 'flux', model: 'monet' },
      config: { profile: 'a100', namespace: 'team' },
    });
    for (const request of [tiny, flux]) await createDeploy({ hub })(request);
    const files = [
      await hub.read(releaseRepo(tiny.context.repos.release), 'v1', 'README.md'),
      await hub.read({ type: 'space', repo: tiny.context.repos.space }, 'main', 'README.md'),
      await hub.read(releaseRepo(flux.context.repos.release), 'v1', 'README.md'),
      Buffer.from(variantCardOf(flux)),
    ];
    const paths = files.map((_, i) => join(root, `${i}.md`));
    await Promise.all(paths.map((path, i) => writeFile(path, files[i] ?? '')));
    const { stdout } = await execa(PYTHON, ['-c', VALIDATE, ...paths], {
      env: { HF_ENDPOINT: server.url, HF_TOKEN: 'hf_local_plein_air' },
    });
    found = JSON.parse(stdout) as Found;
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  it('accepts the model card, with its pictures', () => {
    expect(found.model).toMatchObject({ license: 'apache-2.0', base_model: 'plein-air/tiny-flux' });
    expect(found.model.widget[0]?.output.url).toMatch(/^images\/.*\.png$/);
  });

  it('accepts the card of a whole transformer, under the base’s license and as what it is', () => {
    expect(found.variant).toMatchObject({
      ...{ license_name: 'flux-1-dev-non-commercial-license', base_model_relation: 'quantized' },
      base_model: 'black-forest-labs/FLUX.1-dev',
    });
  });

  it('reads the measured results with their intervals and the dataset’s commit', () => {
    const kid = found.modelResults.find((r) => r.type === 'kid.improvement');
    expect(kid).toMatchObject({ value: 0.02, args: { low: 0.01, high: 0.03 } });
    expect(kid?.revision).toMatch(/^[0-9a-f]{40}$/);
  });

  it('accepts the Space’s README', () => {
    expect(found.space).toMatchObject({ sdk: 'gradio', app_file: 'app.py' });
  });

  it('finds FLUX.1-dev’s non-commercial license by name and link', () => {
    expect(found.flux).toMatchObject({
      license: 'other',
      license_name: 'flux-1-dev-non-commercial-license',
      base_model_relation: 'adapter',
    });
    expect(found.flux.license_link).toContain('LICENSE.md');
  });
});

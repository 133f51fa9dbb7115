import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { createDocument } from '../../src/activities/document/document.ts';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import { createRollBack } from '../../src/activities/release/roll-back.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { type DeployRequest, runInTest } from '../activities/run-in-test.ts';
import { failedSummary, wholeSummary } from '../activities/summary-in-test.ts';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const TOKEN = 'hf_local_plein_air';
let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let two: DeployRequest;

/** v1, v2, back to v1; and the documents of v2's run and of a run that failed. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'models-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const deploy = createDeploy({ hub });
  await deploy(await runInTest({ hub, namespace: 'team', run: 'one' }));
  const training = { training: { rank: 12 }, budget: { gpuHourPrice: 4.5, currency: 'EUR' } };
  two = await runInTest({ hub, namespace: 'team', run: 'two', config: training });
  const release = await deploy(two);
  const { repos } = two.context;
  await createRollBack({ hub })({ ...repos, toTag: 'v1', reason: 'too blue', by: 'Ada' });
  const summary = await wholeSummary(hub, 'sketch');
  const { context, dataset, training: trained, evaluation, gate } = two;
  const whole = { ...summary, context, dataset, training: trained, evaluation, gate, release };
  for (const s of [whole, await failedSummary(hub, 'broken')]) await createDocument({ hub })({ summary: s });
}, 60_000);
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

async function plainAir(...args: string[]) {
  const { stdout, stderr, exitCode } = await execa(process.execPath, [cli, ...args], {
    env: {
      HF_ENDPOINT: server.url,
      HF_TOKEN: TOKEN,
      PLEIN_AIR_DATA_DIR: root,
      NODE_OPTIONS: '',
      NO_COLOR: '1',
    },
    reject: false,
    cwd: root,
  });
  return { stdout, stderr, exitCode };
}
const models = (verb: string, ...args: string[]) =>
  plainAir('models', verb, ...args, '--model', 'painter', '--namespace', 'team');
const json = async (verb: string, ...args: string[]) =>
  JSON.parse((await models(verb, ...args, '--json')).stdout);

describe('plein-air models', () => {
  it('lists every release, what is in production, and whether the Space serves the same bytes', async () => {
    const listed = await json('list');
    expect(listed).toMatchObject({
      ...{ production: 'v1', previous: 'v2', agrees: true, served: { tag: 'v1' } },
      releases: [
        { tag: 'v2', state: 'previous', run: 'two', sha256: two.evaluation.adapter.sha256 },
        { tag: 'v1', state: 'production', run: 'one' },
      ],
    });
    const { stdout } = await models('list');
    expect(stdout).toMatch(/^v2 +previous +two +0\.3100/m);
    expect(stdout).toContain('production is v1; the Space serves v1, the same bytes');
  });

  it('shows one release with its figures, files and journal; without a tag the one in production', async () => {
    const { stdout } = await models('show', 'v2');
    expect(stdout).toContain('painter v2');
    expect(stdout).toContain(two.evaluation.adapter.sha256);
    expect(stdout).toContain('painter_kohya.safetensors');
    expect(stdout).toContain('✓ PASS kid.improvement');
    expect(stdout).toMatch(/deploy done by run two/);
    expect(await json('show')).toMatchObject({
      ...{ tag: 'v1', state: 'production' },
      rules: [{ metric: 'kid.improvement', outcome: 'pass' }],
      journal: expect.arrayContaining([
        expect.objectContaining({ action: 'rollback', state: 'done', by: 'Ada', reason: 'too blue' }),
      ]),
    });
  });

  it('compares two releases: figures side by side, and all they differ in', async () => {
    const compared = await json('compare', 'v1', 'v2');
    expect(compared.figures).toEqual([
      {
        metric: 'kid.improvement',
        left: { low: 0.01, estimate: 0.02, high: 0.03 },
        right: { low: 0.01, estimate: 0.02, high: 0.03 },
      },
    ]);
    const fields = compared.differences.map((d: { field: string }) => d.field);
    for (const field of ['adapter.sha256', 'config.training.rank', 'run']) expect(fields).toContain(field);
    expect(fields).not.toContain('config.training.alpha');
    expect((await models('compare', 'v1', 'v2')).stdout).toMatch(/config\.training\.rank +\d+ +12/);
  });

  it('tells where a release comes from, and looks whether all of it is still there', async () => {
    const lineage = await json('lineage', 'v2');
    expect(lineage).toMatchObject({ tag: 'v2', workflow: { id: 'wf-two', runId: 'id-two' } });
    const roles = lineage.references.map((r: { role: string }) => r.role);
    expect(roles).toEqual(['checkpoint', 'dataset', 'evaluation', 'verdict', 'adapter', 'base', 'source']);
    const record = two.evaluation.report;
    expect(lineage.references[2]).toMatchObject({
      repo: record.repo,
      commit: record.commit,
      path: record.path,
    });
    // The fixture's source was never on this Hub: that is what `--verify` has to say, by its exit code too.
    const { stdout, exitCode } = await models('lineage', 'v2', '--verify');
    expect(exitCode).toBe(5);
    expect(stdout).toMatch(/^dataset .* there$/m);
    expect(stdout).toMatch(/^source .* GONE$/m);
  });

  it('says what there is when asked for what there is not', async () => {
    const unknown = await models('show', 'v9');
    expect(unknown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('there are v2, v1') });
    const nowhere = await plainAir('models', 'list', '--model', 'nobody', '--namespace', 'team');
    expect(nowhere).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('team/nobody') });
  });
});

describe('plein-air report', () => {
  const report = (run: string, ...args: string[]) => plainAir('report', run, '--namespace', 'team', ...args);

  it('builds a run’s report and its release’s documents again, to the stored bytes', async () => {
    const out = join(root, 'out');
    const { stdout, exitCode } = await report('two', '--json', '--out', out);
    expect(exitCode).toBe(0);
    const { documents } = JSON.parse(stdout);
    const paths = documents.map((d: { path: string }) => d.path);
    for (const path of ['report/index.html', 'report/report.md', 'README.md', 'NOTICE', 'space/README.md'])
      expect(paths).toContain(path);
    expect(documents.filter((d: { stored: string }) => d.stored !== 'same')).toEqual([]);
    const { repos } = two.context;
    for (const [repo, path] of [
      [{ type: 'dataset', repo: repos.record }, 'report/index.html'],
      [{ type: 'model', repo: repos.release }, 'README.md'],
    ] as const)
      expect(await readFile(join(out, ...repo.repo.split('/'), path))).toEqual(
        await hub.read(repo, repo.type === 'model' ? 'v2' : 'main', path),
      );
  });

  it('tells what the run cost, in money where an hour on a GPU has a price', async () => {
    const record = { type: 'dataset', repo: two.context.repos.record } as const;
    const text = (await hub.read(record, 'main', 'report/report.md'))?.toString() ?? '';
    // 6 s of search and 12 s of training at 4.50 EUR an hour.
    expect(text).toContain('its phase took 0.9 s in all, waiting included, at most 0.00 EUR');
    expect(text).toMatch(/in all.* 18 s \| 0\.005 \| 0\.02 EUR/);
    const failed = { type: 'dataset', repo: 'team/broken-record' } as never;
    expect((await hub.read(failed, 'main', 'report/report.md'))?.toString()).not.toContain('EUR');
  });

  it('builds the report of a run that failed, too', async () => {
    const { stdout, exitCode } = await report('broken');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('documents come out as they are stored');
  });

  it('ends with exit code 5 when the stored document is not what the records say', async () => {
    const repo = { type: 'dataset', repo: two.context.repos.record } as const;
    const files = [{ path: 'report/report.md', content: 'edited by hand\n' }];
    await hub.commit({ repo, message: 'Edit', files });
    const { stdout, exitCode } = await report('two');
    expect(exitCode).toBe(5);
    expect(stdout).toMatch(/report\/report\.md +\d+ +different/);
  });

  it('names the record that it did not find', async () => {
    const { stderr, exitCode } = await report('never-was');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('team/never-was-record');
  });
});

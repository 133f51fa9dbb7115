import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { lookAtFrom, slugOf, takeFrom } from '../../src/cli/from-folder.ts';
import { mergeDeep, parseRunConfig } from '../../src/domain/config/run-config.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { Folders, jpegs } from '../wikiart/folder/folder-fixture.ts';

let server: HubInTest;
let hub: Hub;
const folders = new Folders();
beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(() => server.stop());
afterEach(() => folders.remove());

/** The run that a folder comes to, and what was said of it. */
async function runOf(count: number, options: { style?: string; trigger?: string } = {}) {
  const from = await folders.make({ ...(await jpegs(count, 'My Garden/')), 'notes.doc': 'x' });
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const asked = { from, ...options };
  const source = await lookAtFrom(asked, say);
  const parsed = parseRunConfig({ namespace: 'plein-air' });
  if (!parsed.ok) throw new Error('expected the tiny profile');
  const layer = await takeFrom({ hub, source, options: asked, config: parsed.value }, say);
  const run = parseRunConfig(mergeDeep(layer, {}));
  if (!run.ok) throw new Error(JSON.stringify(run.problems));
  return { run: run.value, said: said.join('\n') };
}

it('takes style, trigger and name of the model from the folder, and says what is taken before it is', async () => {
  const { run, said } = await runOf(20);
  expect(run).toMatchObject({
    model: 'my-garden',
    dataset: {
      style: 'My Garden',
      trigger: 'plnr my garden',
      heldOutFraction: 0.25,
      testFraction: 0,
      minChroma: 0,
    },
  });
  expect(said).toMatch(
    /20 +yes +pictures without a caption[\s\S]*1 +no +other files +notes\.doc[\s\S]*put on the Hub as/,
  );
});

it('does without the style margin where the Hub has no other styles, and compares with the profile’s source where it has', async () => {
  expect((await runOf(15)).run.dataset).toMatchObject({ neighborsPerStyle: 0, reference: null });
  const repo = { type: 'dataset', repo: RepoId.parse('plein-air/generated-wikiart') } as const;
  await hub.ensureRepo(repo);
  await hub.commit({ repo, message: 'styles', files: [{ path: 'README.md', content: 'x' }] });
  expect((await runOf(15)).run.dataset).toMatchObject({ neighborsPerStyle: 12, reference: repo.repo });
});

it('leaves the defaults to a set that is not small', async () => {
  expect((await runOf(100)).run.dataset).toMatchObject({ minTrainingImages: 60, maxLetters: 6 });
});

it('takes what is asked for over what the folder says', async () => {
  const { run } = await runOf(15, { style: 'Été', trigger: 'ete style' });
  expect(run).toMatchObject({ model: 'ete', dataset: { style: 'Été', trigger: 'ete style' } });
});

it('refuses fewer pictures than can be judged, and options that go with no folder', async () => {
  await expect(runOf(14)).rejects.toThrow(/expected at least 15 pictures of the style, got 14/);
  await expect(lookAtFrom({ style: 'x' }, () => undefined)).rejects.toThrow(/expected --from with --style/);
});

it.each([
  ['Ukiyo_e', 'ukiyo-e'],
  ['  --  ', 'my-style'],
  ['絵画', 'my-style'],
])('names a model after any style: %s', (style, slug) => expect(slugOf(style)).toBe(slug));

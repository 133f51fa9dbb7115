import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDocument } from '../../src/activities/document/document.ts';
import { rebuildDocuments } from '../../src/activities/document/rebuild.ts';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import type { RepoRef } from '../../src/domain/refs.ts';
import { Provenance } from '../../src/domain/release/provenance.ts';
import { RunContext, RunRecord } from '../../src/domain/run/context.ts';
import { RunSummary, StoredSummary } from '../../src/domain/run/summary.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { findRelease } from '../../src/releases/catalog.ts';
import { completed, fullValue } from '../domain/full-record.ts';
import { store } from './run-in-test.ts';
import { wholeSummary } from './summary-in-test.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'full-records-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

describe('a record with every optional field set', () => {
  it('is what the schemas make of it, for every record that a run stores', () => {
    for (const schema of [RunContext, RunRecord, RunSummary, StoredSummary, Provenance])
      expect(schema.parse(JSON.parse(JSON.stringify(fullValue(schema))))).toEqual(fullValue(schema));
  });

  it('goes through deployment, document, report and its rebuilding', async () => {
    const captions: RepoRef = { type: 'model', repo: 'team/captioner' as RepoRef['repo'] };
    await hub.ensureRepo(captions);
    const { commit } = await store(hub, captions, 'model.safetensors', 'weights');
    const known = await wholeSummary(hub, 'full');
    const context = completed(RunContext, { ...known.context, captioner: { ...captions, commit } });
    const summary = completed(RunSummary, { ...known, context }, ['failure']);
    expect(summary.context.captioner).toEqual({ ...captions, commit });

    const { dataset, training, evaluation, gate, approval } = summary;
    if (dataset === null || training === null || evaluation === null || gate === null) throw new Error();
    const request = { context, dataset, training, evaluation, gate, approval };
    const release = await createDeploy({ hub })(request);
    const { repo, tag } = release.release;
    expect((await findRelease(hub, repo, tag))?.provenance).toMatchObject({ context, training, approval });

    const { record } = await createDocument({ hub })({ summary: { ...summary, release } });
    const rebuilt = await rebuildDocuments(hub, { type: record.type, repo: record.repo });
    expect(rebuilt.map(({ path, stored }) => [path, stored])).toEqual(
      rebuilt.map(({ path }) => [path, 'same']),
    );
    expect(rebuilt.length).toBeGreaterThan(8);
  });
});

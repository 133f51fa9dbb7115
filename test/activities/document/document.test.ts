import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDocument, REPORT_FILE, rebuildReport } from '../../../src/activities/document/document.ts';
import type { GpuSession } from '../../../src/domain/gpu-source/session.ts';
import type { RepoRef } from '../../../src/domain/refs.ts';
import type { RunSummary } from '../../../src/domain/run/summary.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import { sha } from '../run-in-test.ts';
import { failedSummary, wholeSummary } from '../summary-in-test.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'document-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

const summaryOf = (run: string) => wholeSummary(hub, run);
const recordOf = (s: RunSummary): RepoRef => ({ type: 'dataset', repo: s.context.repos.record });

describe('document', () => {
  it('writes the report in one commit, which every part of the run shows up in', async () => {
    const summary = await summaryOf('whole');
    const made = await createDocument({ hub })({ summary });
    const html = await hub.read(recordOf(summary), made.record.commit, REPORT_FILE);
    expect(html && sha(html)).toBe(made.report.sha256);
    for (const id of ['phases', 'pictures', 'gate', 'study', 'training', 'data', 'copying', 'provenance'])
      expect(html?.includes(`<section id="${id}"`)).toBe(true);
    expect(html?.includes('after step 12')).toBe(true);
    expect(html?.includes('gpu@colab-1:9')).toBe(true);
  });

  it('loads nothing from outside and runs nothing that came in as text', async () => {
    const summary = await summaryOf('closed');
    const { record } = await createDocument({ hub })({ summary });
    const html = (await hub.read(recordOf(summary), record.commit, REPORT_FILE))?.toString() ?? '';
    expect([...html.matchAll(/<(?:script|link|iframe|object|embed|base)\b/g)]).toEqual([]);
    const loads = [...html.matchAll(/\b(?:src|srcset|poster|data|xlink:href)="([^"]{0,40})/g)].map(
      (m) => m[1],
    );
    expect(loads.filter((url) => !url?.startsWith('data:image/'))).toEqual([]);
    expect(html.includes('@import')).toBe(false);
    expect(/href="(?!https?:|\.\.\/|#)/.test(html)).toBe(false);
  });

  it('is rebuilt to the same bytes from the stored records alone', async () => {
    const summary = await summaryOf('rebuilt');
    const { record } = await createDocument({ hub })({ summary });
    for (const { path, content } of await rebuildReport(hub, record)) {
      const stored = await hub.read(recordOf(summary), record.commit, path);
      expect([path, stored?.equals(Buffer.from(content as string))]).toEqual([path, true]);
    }
  });

  it('tells what the run’s GPU sessions cost, and comes out the same from the record later', async () => {
    const summary = await summaryOf('paid');
    const session: GpuSession = {
      ...{
        name: 'pa-main-2611-1',
        source: 'jobs',
        accelerator: 'L4',
        queue: 'gpu',
        run: 'paid',
        why: 'waits',
      },
      ...{ price: { perHour: 6, currency: 'USD' }, openedAt: 0, startedAt: 0, readyAt: 60_000 },
      ...{ closedAt: null, ended: null, refusal: null, detail: '' },
    };
    const document = createDocument({ hub, now: () => 1_800_000, sessionsOf: async () => [session] });
    const { record } = await document({ summary });
    const html = (await hub.read(recordOf(summary), record.commit, REPORT_FILE))?.toString() ?? '';
    expect(html).toContain('cost 3.00 USD in all');
    const rebuilt = await rebuildReport(hub, record);
    expect(rebuilt.find(({ path }) => path === REPORT_FILE)?.content).toBe(html);
  });

  it('changes nothing when written a second time, however long the writing took', async () => {
    const summary = await summaryOf('again');
    const first = await createDocument({ hub })({ summary });
    const phases = summary.phases.map((p) => (p.name === 'document' ? { ...p, endedAt: 99_999 } : p));
    expect(await createDocument({ hub })({ summary: { ...summary, phases } })).toEqual(first);
  });

  it('is written for a run that failed before it had anything', async () => {
    const summary = await failedSummary(hub, 'failed');
    const { record } = await createDocument({ hub })({ summary });
    const html = (await hub.read(recordOf(summary), record.commit, REPORT_FILE))?.toString() ?? '';
    expect(html.includes('BadData: too few pictures')).toBe(true);
    expect(/undefined|NaN/.test(html)).toBe(false);
  });

  it('shows a cancelled run as far as it came, as cancelled and not as failed', async () => {
    const whole = await summaryOf('cancelled');
    const summary: RunSummary = {
      ...whole,
      ...{ training: null, evaluation: null, gate: null },
      failure: { kind: 'Cancelled', message: 'cancelled; training progress is saved' },
      phases: whole.phases.map((phase, i) =>
        i < 3 ? phase : { ...phase, status: i === 3 ? 'failed' : 'pending', endedAt: null },
      ),
    };
    const { record } = await createDocument({ hub })({ summary });
    const markdown = (await hub.read(recordOf(summary), record.commit, 'report/report.md'))?.toString() ?? '';
    expect(markdown).toContain('**Cancelled**: The run was cancelled. Training progress is saved.');
    expect(markdown).not.toContain('**Failed**');
    // What it had used up to then, and where the rest is told.
    expect(markdown).toContain('## What it cost');
    expect(markdown).toMatch(/Training did not come to its end.*ledger\\?\.json/);
    for (const title of ['The pictures', 'Trials']) expect(markdown).toContain(`## ${title}`);
  });

  it('has a Markdown twin whose pictures exist', async () => {
    const summary = await summaryOf('twin');
    const { record } = await createDocument({ hub })({ summary });
    const markdown = (await hub.read(recordOf(summary), record.commit, 'report/report.md'))?.toString() ?? '';
    const paths = new Set((await hub.list(recordOf(summary), record.commit)).map((f) => f.path));
    const shown = [...markdown.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map((m) =>
      new URL(m[1] ?? '', 'file:///report/').pathname.slice(1),
    );
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((path) => !paths.has(path))).toEqual([]);
    expect(markdown.includes('<script')).toBe(false);
    // A backslash before a digit escapes nothing, and would be read.
    expect(/\\\d/.test(markdown)).toBe(false);
  });
});

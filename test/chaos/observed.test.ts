import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LOCAL_TOKEN } from '../../src/cli/stack/stack.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { type Relay, startRelay } from './lib/relay.ts';
import { endOf, faultsOf, resultOf, seedSmall, smallRun, startRun, until } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

/** A span as it comes over OTLP, with the service that sent it. */
interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: { stringValue?: string } }[];
  service: string;
}

interface Batch {
  resourceSpans: {
    resource: { attributes: Span['attributes'] };
    scopeSpans: { spans: Omit<Span, 'service'>[] }[];
  }[];
}

const RUN = 'observed';
const bodies: string[] = [];
let root = '';
let collector: Server;
let topology: Topology;
let relay: Relay;

const text = (attributes: Span['attributes'], key: string) =>
  attributes.find((attribute) => attribute.key === key)?.value.stringValue ?? '';

function spans(): Span[] {
  return bodies
    .flatMap((body) => (JSON.parse(body) as Batch).resourceSpans)
    .flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans: own }) =>
        own.map((span) => ({ ...span, service: text(resource.attributes, 'service.name') })),
      ),
    );
}

/** Spans whose parent is not among them. */
function withoutParent(trace: Span[]): Span[] {
  const ids = new Set(trace.map(({ spanId }) => spanId));
  return trace.filter(({ parentSpanId = '' }) => !ids.has(parentSpanId));
}

/** Every series that the workers serve now: its name and the names of its labels. */
async function series(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const url of topology.metrics)
    for (const line of (await (await fetch(url)).text()).split('\n')) {
      const [, name, labels] = /^([a-z_]+)(?:\{(.*)\})? /.exec(line) ?? [];
      if (name === undefined) continue;
      const known = found.get(name) ?? new Set<string>();
      for (const [, label] of (labels ?? '').matchAll(/([a-z_]+)="/g)) known.add(label as string);
      found.set(name, known);
    }
  return found;
}

/** What dashboard and alerts ask Prometheus for: expressions with the labels that their legends and texts name. */
function questions(): { expr: string; labels: string[] }[] {
  const read = (name: string) => readFileSync(join(PROJECT, 'temporal', 'observability', name), 'utf8');
  const labelsOf = (words: string) =>
    [...words.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map((m) => m[1]);
  const dashboard = JSON.parse(read('dashboard.json')) as {
    panels: { targets: { expr: string; legendFormat: string }[] }[];
  };
  const alerts = read('alerts.yaml').split('- alert:').slice(1);
  return [
    ...dashboard.panels.flatMap((panel) =>
      panel.targets.map(({ expr, legendFormat }) => ({ expr, labels: labelsOf(legendFormat) as string[] })),
    ),
    ...alerts.map((alert) => ({
      expr: /expr: (.*)/.exec(alert)?.[1] ?? '',
      labels: labelsOf(alert) as string[],
    })),
  ];
}

const metricsIn = (expr: string) => expr.match(/\b(plein_air|temporal)_[a-z_]+/g) ?? [];

/** A run through every phase with a cut of the network, a run that fails, and a workflow that no worker knows. */
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'plein-air-observed-'));
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  topology = await Topology.start({
    root,
    gpuWorkers: 1,
    pipelineWorkers: 1,
    stepMs: 25,
    metrics: true,
    env: {
      PLEIN_AIR_LOG_FORMAT: 'json',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    },
    through: async (real) => {
      relay = await startRelay(real.temporal);
      return { temporal: relay.port, hub: real.hub };
    },
  });
  await seedSmall(topology);
  const { workflow } = topology.client;
  await startRun(topology, {
    ...smallRun(RUN, { steps: 200 }),
    tuning: { strategy: 'random', trials: 2, steps: 10, finalists: 1 },
  } as { run: string });
  await startRun(topology, { ...smallRun('no-data'), dataset: { source: 'plein-air/nowhere' } } as {
    run: string;
  });
  const unknown = await workflow.start('nonsense', { taskQueue: 'pipeline', workflowId: 'nonsense' });
  await until('the main training', 120, async () => {
    const { gpu } = await workflow.getHandle(RUN).query<{ gpu: { branch: string; step: number } }>('status');
    return gpu.branch === 'main' && gpu.step > 0;
  });
  relay.weather = { kind: 'cut' };
  await new Promise((resolve) => setTimeout(resolve, 4000));
  relay.weather = { kind: 'clear' };
  await resultOf(topology, RUN);
  await unknown.terminate();
}, 300_000);

afterAll(async () => {
  await topology?.stop();
  await relay?.close();
  await new Promise((resolve) => collector?.close(resolve));
  rmSync(root, { recursive: true, force: true });
});

describe('a service that is watched', () => {
  it('does what it does unwatched', async () => {
    expect(await faultsOf(topology, RUN, null)).toEqual([]);
    expect(await endOf(topology, 'no-data')).toBe('FAILED');
  }, 60_000);

  it('serves every metric, with every label, that dashboard and alerts ask for', async () => {
    const asked = questions();
    expect(asked.length).toBeGreaterThan(18);
    const served = await series();
    const missing = asked.flatMap(({ expr, labels }) => {
      const grouped = [...expr.matchAll(/(?:by|on) \(([\w, ]+)\)/g)].flatMap(([, names]) =>
        (names as string).split(/, */),
      );
      const chosen = [...expr.matchAll(/\{(\w+)=/g)].map(([, name]) => name as string);
      return metricsIn(expr).flatMap((metric) => {
        const known = served.get(metric);
        if (known === undefined) return [metric];
        const wanted = [...grouped, ...chosen, ...labels];
        return wanted.filter((label) => !known.has(label)).map((label) => `${metric}{${label}}`);
      });
    });
    expect([...new Set(missing)]).toEqual([]);
  });

  it('sends one connected trace of a run, its study and its GPU work, and no token', async () => {
    const started = `RunWorkflow:fineTune`;
    const ofRun = (span: Span) => text(span.attributes, 'temporalWorkflowId') === RUN;
    const traceOf = (all: Span[]) => {
      const id = all.find((span) => span.name === 'RunActivity:openRun' && ofRun(span))?.traceId;
      return all.filter((span) => span.traceId === id);
    };
    // Each worker sends its spans every few seconds: the last ones of another may have parents that are still to come.
    await until('the root of the trace and every parent in it', 60, async () => {
      const seen = traceOf(spans());
      return seen.some(({ name }) => name === started) && withoutParent(seen).length === 1;
    }).catch(() => undefined);
    const all = spans();
    const trace = traceOf(all);
    const traceId = trace[0]?.traceId;
    const names = new Set(trace.map((span) => span.name));
    for (const activity of ['train', 'evaluate', 'judge', 'deploy', 'document', 'recordStudy'])
      expect(names).toContain(`RunActivity:${activity}`);
    expect(names).toContain('RunWorkflow:tune');
    expect(new Set(trace.map((span) => span.service))).toEqual(
      new Set(['plein-air-pipeline', 'plein-air-gpu']),
    );
    expect(withoutParent(trace).map((span) => span.name)).toEqual([started]);
    // Every activity that worked for the run is in its trace, and nobody's look at it is.
    expect(all.filter((span) => ofRun(span) && span.traceId !== traceId)).toEqual([]);
    expect(all.filter((span) => span.name.startsWith('HandleQuery'))).toEqual([]);
    expect(bodies.join('\n')).not.toContain(LOCAL_TOKEN);
  }, 90_000);

  it('logs one object a line, with the run and the attempt where it is about one, and no token', () => {
    const logs = [...topology.names('pipeline'), ...topology.names('gpu')].map((part) => topology.log(part));
    const lines = logs
      .join('\n')
      .split('\n')
      .filter((line) => line !== '');
    expect(lines.filter((line) => !line.startsWith('{'))).toEqual([]);
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const ofTraining = entries.filter((e) => e.workflowId === RUN && e.activityType === 'train');
    expect(ofTraining.length).toBeGreaterThan(0);
    for (const entry of ofTraining)
      expect(entry).toMatchObject({ attempt: expect.any(Number), level: expect.any(String) });
    // What the trainer itself says, as well.
    expect(ofTraining.map((entry) => entry.source)).toContain('trainer');
    expect(lines.join('\n')).not.toContain(LOCAL_TOKEN);
    expect(lines.join('\n')).not.toContain('taskToken');
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { Environment } from '../../src/config/env.ts';
import { GPU_CLASSES } from '../../src/domain/run/gpu-class.ts';
import { gpuQueue } from '../../src/domain/run/task-queues.ts';
import { ROOT } from './dev-server.ts';

const read = (name: string) => readFileSync(join(ROOT, 'kubernetes', name), 'utf8');
const [pipeline, gpu] = ['pipeline-worker.yaml', 'gpu-worker.yaml'].map((name) => parse(read(name)));
const containerOf = (deployment: typeof pipeline) => deployment.spec.template.spec.containers[0];
const settingOf = (deployment: typeof pipeline, name: string) =>
  containerOf(deployment).env.find((one: { name: string }) => one.name === name)?.value;

describe('the workers of a cluster', () => {
  it('are given variables that exist', () => {
    const given = [
      ...[pipeline, gpu].flatMap((d) => containerOf(d).env.map((one: { name: string }) => one.name)),
      ...read('settings.env')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('=')[0]),
    ];
    const known = new Set([
      ...Object.keys(Environment.shape),
      'TEMPORAL_ADDRESS',
      'MALLOC_ARENA_MAX',
      'HOME',
    ]);
    expect(given.filter((name) => !known.has(name))).toEqual([]);
  });

  it('run as nobody in particular, write nowhere but where they must, and know no cluster', () => {
    for (const deployment of [pipeline, gpu]) {
      const { automountServiceAccountToken, securityContext } = deployment.spec.template.spec;
      expect(automountServiceAccountToken).toBe(false);
      expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      expect(containerOf(deployment).securityContext).toEqual({
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      });
    }
  });

  it('have the time to save that they are told they have, and half a minute more', () => {
    expect(gpu.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(
      Number(settingOf(gpu, 'PLEIN_AIR_GRACE_SECONDS')) + 30,
    );
  });

  it('are scaled by queues that a worker of that card serves', () => {
    const scaled = parse(read('keda/gpu-worker.yaml'));
    const queues = scaled.spec.triggers.map(
      (one: { metadata: { taskQueue: string } }) => one.metadata.taskQueue,
    );
    const served = GPU_CLASSES.filter((one) => one <= 24).map((one) => gpuQueue(null, one));
    expect(queues).toEqual(served);
    expect(scaled.spec.scaleTargetRef.name).toBe(gpu.metadata.name);
    // A worker's own name for the deployment, and nothing of a checkpoint's time in between.
    expect(scaled.spec.cooldownPeriod).toBeGreaterThan(gpu.spec.template.spec.terminationGracePeriodSeconds);
  });
});

import { statfsSync } from 'node:fs';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { execa } from 'execa';
import { type Environment, pythonPath, temporalPath } from '../../config/env.ts';
import { PYTHON_PACKAGE } from '../../config/paths.ts';
import { pollers } from '../../runs/start-run.ts';
import { deploymentProblem } from '../../temporal/deployment.ts';
import pc from '../colors.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';

interface Check {
  name: string;
  ok: boolean;
  found: string;
  /** How to mend it; empty when nothing is wrong. */
  mend: string;
}

/** Adds `doctor`: checks every dependency, token, poller and disk, and says how to mend what is wrong. */
export function addDoctorCommand(program: Command): void {
  action<CommonOptions>(
    program.command('doctor').description('check everything that a run needs, and say how to mend it'),
    async ({ env, dataDir, json }) => {
      const [temporalProgram, python, hubCheck, server] = await Promise.all([
        checkProgram('temporal', temporalPath(env), ['--version'], 'npm run setup'),
        trainer(env),
        hub(env, dataDir),
        temporal(dataDir),
      ]);
      const checks = [node(), temporalProgram, python, disk(dataDir), hubCheck, ...server];
      print(json, checks, () =>
        checks
          .map(
            (c) =>
              `${c.ok ? pc.green('✓') : pc.red('✗')} ${c.name.padEnd(16)} ${c.found}${c.ok ? '' : `\n    → ${c.mend}`}`,
          )
          .join('\n'),
      );
      if (checks.some((c) => !c.ok)) process.exitCode = 1;
    },
  );
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: 'Node', ok, found: process.versions.node, mend: 'install Node 20.19 or newer' };
}

async function checkProgram(name: string, file: string, args: string[], mend: string): Promise<Check> {
  try {
    const { stdout } = await execa(file, args, { timeout: 20_000 });
    return { name, ok: true, found: stdout.split('\n')[0] ?? '', mend: '' };
  } catch (error) {
    return { name, ok: false, found: firstLine(error), mend };
  }
}

async function trainer(env: Environment): Promise<Check> {
  const script =
    'import os; from importlib.metadata import version; driver = any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg"))); print(f"torch {version(\'torch\')}, diffusers {version(\'diffusers\')}, " + ("NVIDIA driver" if driver else "no NVIDIA driver: profile tiny only"))';
  const check = await checkProgram(
    'trainer',
    pythonPath(env),
    ['-c', script],
    'npm run setup, or set PLEIN_AIR_PYTHON',
  );
  return check.ok ? { ...check, found: `${check.found} (${PYTHON_PACKAGE})` } : check;
}

function disk(dataDir: string): Check {
  let folder = dataDir;
  for (;;) {
    try {
      const { bavail, bsize } = statfsSync(folder);
      const free = (bavail * bsize) / 2 ** 30;
      return {
        name: 'disk',
        ok: free >= 2,
        found: `${free.toFixed(1)} GiB free for ${dataDir}`,
        mend: 'free at least 2 GiB, or choose another --data-dir',
      };
    } catch {
      const parent = folder.slice(0, Math.max(folder.lastIndexOf('/'), 1));
      if (parent === folder) throw new Error(`no folder above ${dataDir} exists`);
      folder = parent;
    }
  }
}

async function hub(env: Environment, dataDir: string): Promise<Check> {
  const mend =
    '"plein-air up" starts the embedded one; for another set HF_ENDPOINT and HF_TOKEN (write permission)';
  try {
    const found = connectRunHub(env, dataDir);
    return { name: 'Hub', ok: true, found: `${found.endpoint} as ${await found.whoAmI()}`, mend: '' };
  } catch (error) {
    return { name: 'Hub', ok: false, found: firstLine(error), mend };
  }
}

async function temporal(dataDir: string): Promise<Check[]> {
  const mend = '"plein-air up" starts the embedded one; for another set TEMPORAL_ADDRESS';
  try {
    const client = await connectClient(dataDir);
    const checks: Check[] = [{ name: 'Temporal', ok: true, found: client.options.namespace, mend: '' }];
    for (const queue of ['pipeline', 'gpu'] as const) {
      const workers = await pollers(client, queue);
      checks.push({
        name: `queue ${queue}`,
        ok: workers.length > 0,
        found: workers.length === 0 ? 'no worker polls it' : workers.join(', '),
        mend:
          queue === 'gpu'
            ? 'open gpu-worker/colab.ipynb, or "plein-air up" for a CPU'
            : '"plein-air up", or node dist/workers/pipeline-worker.js',
      });
    }
    const problem = await deploymentProblem(client);
    if (problem !== null)
      checks.push({ name: 'versions', ok: false, found: 'no current version', mend: problem });
    checks.push(...(await failingRuns(client)));
    return checks;
  } catch (error) {
    return [{ name: 'Temporal', ok: false, found: firstLine(error), mend }];
  }
}

/** How many runs under way are looked at. */
const MAX_LOOKED_AT = 100;

/** Runs whose workflow task fails again and again: other code than theirs, or a workflow type that nobody knows. */
async function failingRuns(client: Client): Promise<Check[]> {
  const failing: Check[] = [];
  let looked = 0;
  for await (const { workflowId } of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
    const { raw, type } = await client.workflow.getHandle(workflowId).describe();
    const attempts = raw.pendingWorkflowTask?.attempt ?? 0;
    if (attempts >= 3)
      failing.push({
        name: `run ${workflowId}`,
        ok: false,
        found: `its workflow task (${type}) failed ${attempts} times`,
        mend: `plein-air status ${workflowId}; docs/runbook.md, TMPRL1100`,
      });
    looked += 1;
    if (looked === MAX_LOOKED_AT) break;
  }
  return failing;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { type Command, Option } from 'commander';
import { ERROR_KINDS } from '../../domain/errors.ts';
import { EvaluationReport } from '../../domain/evaluation/report.ts';
import { exitCodeOf, outcomeOf } from '../../domain/run/outcome.ts';
import type { RunResult } from '../../domain/run/run-result.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import { connectHub } from '../../hub/client.ts';
import type { Hub } from '../../hub/hub.ts';
import { readVerified } from '../../hub/verified-json.ts';
import { timestamped } from '../../runs/run-input.ts';
import type { RunSnapshot } from '../../runs/run-snapshot.ts';
import { startWorkflow } from '../../runs/start-run.ts';
import pc, { writeLine } from '../colors.ts';
import { connectClient } from '../connect.ts';
import { action, type CommandContext, type CommonOptions } from '../context.ts';
import { outcomeLines, resultOf } from '../outcome.ts';
import { duration, table } from '../output.ts';
import { seedStack } from '../seed.ts';
import { onInterrupt, untilInterrupted } from '../stack/interrupt.ts';
import { jobSources, localSources } from '../stack/local-sessions.ts';
import { Stack } from '../stack/stack.ts';
import { watchRun } from '../watch-run.ts';
import { RUN_SPACES } from './up.ts';

interface DemoOptions extends CommonOptions {
  keepUp?: boolean;
  preempt: boolean;
  runSpaces?: boolean;
  sabotage: string;
  source: 'local' | 'hf-jobs';
  summary?: string;
  histories?: string;
}

/** Adds `demo`: the whole pipeline on this machine, with a GPU that vanishes in the middle. */
export function addDemoCommand(program: Command): void {
  action<DemoOptions>(
    program
      .command('demo')
      .description('run the whole pipeline here, on real parts, and kill the GPU worker in the middle')
      .option('--keep-up', 'leave everything running at the end')
      .option('--no-preempt', 'do not kill the GPU worker')
      .option('--run-spaces', RUN_SPACES)
      .addOption(
        new Option('--source <kind>', 'who brings the GPU workers: this machine, or jobs of the Hub')
          .choices(['local', 'hf-jobs'])
          .default('local'),
      )
      .option('--sabotage <kind>', 'none, or zero-lora: plant a fault that the gate must refuse', 'none')
      .option('--summary <file>', 'write the outcome as JSON')
      .option('--histories <folder>', 'write the workflows’ histories as JSON, to replay them'),
    async (context, options) => new Demo(context, options).run(),
  );
}

class Demo {
  private readonly context: CommandContext;
  private readonly options: DemoOptions;
  private readonly say: (line: string) => void;
  private readonly abort = new AbortController();
  private killedAt: number | null = null;
  private killedTime = 0;
  private stack: Stack | null = null;
  private resumedFrom: number | null = null;

  constructor(context: CommandContext, options: DemoOptions) {
    this.context = context;
    this.options = options;
    const out = context.json ? process.stderr : process.stdout;
    this.say = (line) => writeLine(out, line);
  }

  async run(): Promise<void> {
    const { env, dataDir } = this.context;
    const started = Date.now();
    const stopListening = onInterrupt(() => this.abort.abort());
    if (env.PLEIN_AIR_SETUP_SECONDS !== undefined)
      this.say(pc.dim(`set-up took ${duration(env.PLEIN_AIR_SETUP_SECONDS)}`));
    const stack = await Stack.start(dataDir, env, {
      runSpaces: this.options.runSpaces,
      runJobs: this.options.source === 'hf-jobs',
    });
    this.stack = stack;
    try {
      this.say(`Temporal UI ${stack.uiUrl}   local Hub ${stack.hubUrl}`);
      const seeding = Date.now();
      await seedStack(stack);
      this.say(
        `generated WikiArt and tiny FLUX base on the local Hub ${pc.dim(duration((Date.now() - seeding) / 1000))}`,
      );
      // No GPU worker: the run waits for one, and the source "here" brings it.
      stack.startWorker('pipeline', {
        sources: this.options.source === 'hf-jobs' ? jobSources() : localSources(1),
      });
      const studio = this.options.keepUp === true ? await stack.startStudio() : null;
      if (studio !== null) this.say(`Studio ${studio}`);
      const client = await connectClient(dataDir);
      await this.endEarlierDemos(client);
      const run = timestamped('demo');
      const input = { run, profile: 'tiny', sabotage: this.options.sabotage };
      await startWorkflow(client, { type: 'fineTune', workflowId: run, input, summary: 'demo' });
      this.say(`started ${pc.bold(run)}: ${stack.uiUrl}/namespaces/default/workflows/${run}`);
      const last = await watchRun(client, run, {
        out: this.context.json ? process.stderr : process.stdout,
        signal: this.abort.signal,
        onSnapshot: (snapshot) => this.maybePreempt(snapshot),
      });
      if (last.execution === 'RUNNING') return await this.cancel(client, run);
      await this.finish({ client, run, stack, last, seconds: (Date.now() - started) / 1000 });
      if (this.options.keepUp === true && !this.abort.signal.aborted) {
        this.say(`left running; Ctrl+C stops it. Temporal UI ${stack.uiUrl}   local Hub ${stack.hubUrl}`);
        this.say(`Studio    ${studio}`);
        stopListening();
        await untilInterrupted();
      }
    } finally {
      await stack.stop();
      stopListening();
    }
  }

  /** A demo that was killed leaves its run behind: it would compete for the only GPU worker. */
  private async endEarlierDemos(client: Client): Promise<void> {
    const query = `WorkflowType = 'fineTune' AND ExecutionStatus = 'Running'`;
    for await (const run of client.workflow.list({ query })) {
      if (!run.workflowId.startsWith('demo-')) continue;
      this.say(pc.dim(`${run.workflowId} was cut off earlier: ended`));
      await client.workflow.getHandle(run.workflowId).terminate('a new demo was started');
    }
  }

  /** Kills the GPU worker and its trainer once a checkpoint is on the Hub and training went on past it. */
  private async maybePreempt(snapshot: RunSnapshot): Promise<void> {
    const training = snapshot.pending.find((a) => a.type === 'train');
    const progress = training?.progress;
    if (snapshot.status?.phase !== 'train' || progress == null) return;
    if (
      this.killedAt !== null &&
      this.resumedFrom === null &&
      progress.stage === 'train' &&
      progress.done < this.killedAt
    ) {
      this.resumedFrom = progress.done;
      const seconds = ((Date.now() - this.killedTime) / 1000).toFixed(0);
      this.say(
        pc.green(
          `  ${training?.worker ?? 'another session'} resumed at step ${progress.done}, from the Hub alone, ${seconds} s after the kill`,
        ),
      );
    }
    if (!this.options.preempt || this.killedAt !== null) return;
    const saved = progress.lastCheckpoint?.step ?? 0;
    if (saved === 0 || progress.done <= saved || progress.done < progress.total * 0.4) return;
    const session = training?.worker?.split(' ')[0];
    if (session === undefined) return;
    this.killedAt = progress.done;
    this.killedTime = Date.now();
    await this.stack?.vanish(session);
    this.say(
      pc.yellow(
        `! SIGKILL to GPU session ${session} and its trainer at step ${progress.done}; the newest checkpoint on the Hub is of step ${saved}`,
      ),
    );
    this.say(pc.yellow('  nobody starts another: the run notices and fetches one, in an empty folder'));
  }

  private async cancel(client: Client, run: string): Promise<void> {
    this.say(`${run} checkpoints and ends …`);
    await client.workflow.getHandle(run).cancel();
    const patience = AbortSignal.timeout(30_000);
    await watchRun(client, run, { out: process.stderr, signal: patience });
    this.say(`"plein-air up" and "plein-air resume ${run}" continue it`);
    process.exitCode = 130;
  }

  private async finish(p: {
    client: Client;
    run: string;
    stack: Stack;
    last: RunSnapshot;
    seconds: number;
  }): Promise<void> {
    const result = await resultOf<RunResult>(p.client, p.run);
    if (this.options.histories !== undefined)
      await writeHistories(p.client, [p.run, `${p.run}-tune`], this.options.histories);
    const hub = connectHub(p.stack.hub);
    const report = await this.fetchReport(hub, result);
    const served = await productionSha256(hub, result);
    const summary = { ...summarize(result), report };
    const released = result.release !== null && served === result.release.release.sha256;
    const evaluated = result.release === null || served === (await judgedSha256(hub, result));
    if (this.options.summary !== undefined)
      writeWhole(this.options.summary, `${JSON.stringify(summary, null, 2)}\n`);
    if (this.context.json) writeLine(process.stdout, JSON.stringify(summary, null, 2));
    this.say('');
    this.say(
      table(
        ['phase', 'result', 'seconds'],
        summary.phases.map((f) => [f.name, f.result, f.seconds.toFixed(1)]),
      ),
    );
    this.say('');
    for (const line of outcomeLines(result, p.stack.hubUrl)) this.say(line);
    if (result.release !== null) {
      if (result.release.space !== null)
        this.say(`Space     ${p.stack.hubUrl}/spaces/${result.release.space.repo}`);
      this.say(
        `sha256    ${served} ${released && evaluated ? 'in production = as evaluated' : 'IS NOT what was evaluated'}`,
      );
    }
    this.say(`report    ${report}`);
    this.say(`UI        ${p.stack.uiUrl}/namespaces/default/workflows/${p.run}`);
    this.say(`run took  ${duration(p.seconds)}`);
    process.exitCode = exitCodeOf(outcomeOf(result));
    if (result.release !== null && !(released && evaluated)) process.exitCode = ERROR_KINDS.Corrupt.exitCode;
  }

  /** Puts the run's report beside the data, so that it opens without a server. */
  private async fetchReport(hub: Hub, result: RunResult): Promise<string | null> {
    if (result.report === null) return null;
    const { type, repo, commit, path } = result.report;
    const html = await hub.read({ type, repo }, commit, path);
    if (html === null) return null;
    const folder = join(this.context.dataDir, 'reports', result.run);
    mkdirSync(folder, { recursive: true });
    writeWhole(join(folder, 'index.html'), html);
    return pathToFileURL(join(folder, 'index.html')).href;
  }
}

/** sha256 of the adapter that production serves, from its bytes on the Hub; null: there is none. */
async function productionSha256(hub: Hub, result: RunResult): Promise<string | null> {
  if (result.release === null) return null;
  const repo = { type: 'model', repo: result.release.release.repo } as const;
  const bytes = await hub.read(repo, 'production', ADAPTER_FILE);
  return bytes === null ? null : createHash('sha256').update(bytes).digest('hex');
}

/** sha256 of the adapter that the run's report is about; null: there is no report. */
async function judgedSha256(hub: Hub, { evaluation }: RunResult): Promise<string | null> {
  if (evaluation === null) return null;
  return (await readVerified(hub, evaluation, EvaluationReport)).adapterSha256;
}

async function writeHistories(client: Client, runs: string[], folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const run of runs) {
    const handle = client.workflow.getHandle(run);
    const { type } = await handle.describe();
    const history = historyToJSON(await handle.fetchHistory());
    writeWhole(join(folder, `${type}.json`), history);
  }
}

function writeWhole(file: string, content: string | Buffer): void {
  writeFileSync(`${file}.tmp`, content);
  renameSync(`${file}.tmp`, file);
}

/** The outcome in the form that scripts read. */
function summarize(result: RunResult) {
  const { dataset, training, evaluation, release } = result;
  return {
    run: result.run,
    verdict: result.verdict,
    phases: result.phases.map((p) => ({
      name: p.name,
      status: p.status,
      result: p.result,
      seconds: p.startedAt === null || p.endedAt === null ? 0 : (p.endedAt - p.startedAt) / 1000,
    })),
    dataset:
      dataset === null
        ? null
        : { repo: dataset.repo, commit: dataset.commit, images: dataset.images, dropped: dataset.dropped },
    training:
      training === null
        ? null
        : {
            steps: training.steps,
            preemptions: training.preemptions,
            repeatedSteps: training.repeatedSteps,
            adapterSha256: training.adapterSha256,
          },
    evaluation: evaluation === null ? null : { repo: evaluation.repo, commit: evaluation.commit },
    release:
      release === null
        ? null
        : { repo: release.release.repo, tag: release.release.tag, sha256: release.release.sha256 },
    space: release?.space ?? null,
  };
}

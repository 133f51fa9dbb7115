import type { Client } from '@temporalio/client';
import type { RunConfig } from '../domain/config/run-config.ts';
import { PipelineError } from '../domain/errors.ts';
import { forecast } from '../domain/gpu-source/money.ts';
import { fleetStatus } from '../runs/fleet-status.ts';
import { isYes, ownTerminal, type Terminal } from './ask.ts';
import { tell } from './output.ts';

/**
 * Asks before a run is started whose GPU sessions may cost money: with `--yes` it is only told, on a terminal a person
 * answers, anywhere else the start is refused.
 */
export async function confirmCost(
  client: Client,
  p: { run: string; budget: RunConfig['budget']; yes: boolean; terminal?: Terminal },
): Promise<void> {
  const fleet = await fleetStatus(client);
  const cost = fleet === null ? null : forecast({ ...fleet, budget: p.budget });
  if (cost === null || cost.worst === 0) return;
  const terminal = p.terminal ?? ownTerminal();
  const sentence = `${p.run} ${cost.sentence}`;
  if (p.yes) return tell(sentence);
  if (!terminal.isTTY)
    throw new PipelineError(
      'InvalidInput',
      `expected --yes, for ${sentence}. Start it again with --yes, or set budget.money`,
    );
  const answer = await terminal.ask(`${sentence}.\nStart it? [y/N] `);
  if (!isYes(answer)) throw new PipelineError('InvalidInput', `${p.run} was not started`);
}

import type { Command } from 'commander';
import { parseRunConfig } from '../../domain/config/run-config.ts';
import { type InputSource, readInput } from '../../runs/run-input.ts';
import pc from '../colors.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';
import { collect } from './run.ts';

/** Adds `config`: what a run's input comes to. */
export function addConfigCommand(program: Command): void {
  const config = program
    .command('config')
    .description('what profile and settings come to: the whole configuration of a run');
  action<CommonOptions & Pick<InputSource, 'input' | 'set' | 'profile'> & { changed?: boolean }>(
    config
      .command('show')
      .description('every field with its value; * marks what differs from the defaults')
      .option('--profile <profile>', 'tiny, t4, l4, a100 or h100')
      .option('--input <json>', 'the input as JSON, or @FILE to read it from a file')
      .option('--set <field=value>', 'set one field, such as training.steps=500', collect)
      .option('--changed', 'only what differs from the defaults'),
    async ({ json }, { changed, ...asked }) => {
      const { parsed } = readInput('fineTune', asked);
      const defaults = parseRunConfig({});
      const before = new Map(defaults.ok ? leaves(defaults.value) : []);
      const rows = leaves(parsed).map(([field, value]) => ({
        field,
        value,
        differs: before.get(field) !== value,
      }));
      const shown = changed === true ? rows.filter(({ differs }) => differs) : rows;
      print(json, parsed, () =>
        table(
          ['', 'field', 'value'],
          shown.map(({ field, value, differs }) => [differs ? pc.yellow('*') : ' ', field, value]),
        ),
      );
    },
  );
}

/** Fields that hold no group of their own, with their values as JSON. */
function leaves(value: unknown, at = ''): [field: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    return [[at, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, at === '' ? name : `${at}.${name}`));
}

import { Command } from 'commander';
import { PipelineError } from '../../domain/errors.ts';
import { writeLine } from '../colors.ts';
import { action, type CommonOptions } from '../context.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Adds `completion`: a script that completes commands and options in a shell; `addAll` adds every command whole. */
export function addCompletionCommand(program: Command, addAll: (all: Command) => Promise<void>): void {
  action<CommonOptions>(
    program
      .command('completion')
      .argument('<shell>', SHELLS.join(', '))
      .description('print a script that completes commands and options: source <(plein-air completion bash)'),
    async (_context, _options, shell) => {
      const known = SHELLS.find((one) => one === shell);
      if (known === undefined)
        throw new PipelineError('InvalidInput', `expected ${SHELLS.join(', ')}, got "${shell}"`);
      const all = new Command('plein-air');
      await addAll(all);
      writeLine(process.stdout, SCRIPTS[known](wordsAt(all)));
    },
  );
}

/** What may follow each command, by its path: `''` is the program itself. */
export function wordsAt(command: Command, path = ''): Map<string, string[]> {
  const own = [
    ...command.commands.map((one) => one.name()),
    ...command.options.flatMap(({ long }) => (long == null ? [] : [long])),
    '--help',
  ];
  const found = new Map([[path, own]]);
  for (const inner of command.commands)
    for (const [key, words] of wordsAt(inner, path === '' ? inner.name() : `${path} ${inner.name()}`))
      found.set(key, words);
  return found;
}

const SCRIPTS: Record<(typeof SHELLS)[number], (words: Map<string, string[]>) => string> = {
  bash: (words) => `_plein_air() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) case "$path $word" in ${groups(words)}) path="\${path:+$path }$word" ;; esac ;; esac
  done
  case "$path" in
${[...words].map(([path, all]) => `    "${path}") COMPREPLY=($(compgen -W "${all.join(' ')}" -- "\${COMP_WORDS[COMP_CWORD]}")) ;;`).join('\n')}
  esac
}
complete -o default -F _plein_air plein-air`,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit\n${SCRIPTS.bash(words)}`,
  fish: (words) =>
    [...words]
      .flatMap(([path, all]) =>
        all.map((word) => {
          const when =
            path === ''
              ? '__fish_use_subcommand'
              : path
                  .split(' ')
                  .map((part) => `__fish_seen_subcommand_from ${part}`)
                  .join('; and ');
          const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
          return `complete -c plein-air -n '${when}' ${what}`;
        }),
      )
      .join('\n'),
};

/** Patterns of a path so far and the word that leads one command deeper. */
function groups(words: Map<string, string[]>): string {
  return [...words.keys()]
    .filter((path) => path !== '')
    .map((path) => {
      const at = path.lastIndexOf(' ');
      return `"${at === -1 ? ` ${path}` : path}"`;
    })
    .join('|');
}

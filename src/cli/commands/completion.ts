/** `openmv-bridge completion SHELL`: what completes subcommands, options and their choices. */
import type { Command } from 'commander';
import { COMMANDS } from '../../control/index.js';
import { BridgeError } from '../../errors.js';
import { configSchema, optionSpecs } from '../../options/index.js';
import { withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';

/** What can stand behind the words of a subcommand, such as `run` or `algo check`. */
interface Words {
  readonly path: string;
  readonly words: readonly string[];
}

/** By option: what its value can be. */
const CHOICES: ReadonlyMap<string, string> = new Map(
  optionSpecs(configSchema).flatMap(({ flag, form }) =>
    form.enum ? [[`--${flag}`, form.enum.join(' ')] as const] : [],
  ),
);

const SHELLS: Readonly<Record<string, (all: readonly Words[]) => string>> = { bash, zsh, fish };

export function configure(
  command: Command,
  _algorithm: readonly string[],
  all: () => Promise<readonly Command[]>,
): void {
  const shells = Object.keys(SHELLS).join(', ');
  command.argument('<shell>', shells).action((shell: string) =>
    withOutput(false, async (output) => {
      const script = SHELLS[shell];
      if (!script) {
        throw new BridgeError('OPTION_INVALID', `There is completion for ${shells}, not for ${shell}.`);
      }
      output.text(script(allWords(await all())));
      return EXIT.done;
    }),
  );
}

function allWords(commands: readonly Command[]): Words[] {
  const all: Words[] = [{ path: '', words: commands.map((command) => command.name()) }];
  for (const command of commands) {
    const name = command.name();
    add(all, command, name);
    const more = { ctl: COMMANDS.map((one) => one.name), completion: Object.keys(SHELLS) }[name];
    if (more) all.push({ path: name, words: [...more, ...all.pop()!.words] });
  }
  return all;
}

function add(all: Words[], command: Command, path: string): void {
  const options = command.options.map((option) => option.long!);
  const inner = command.commands.map((one) => one.name());
  all.push({ path, words: [...inner, ...options, '--help'] });
  for (const one of command.commands) add(all, one, `${path} ${one.name()}`);
}

/** Without a subcommand the options of `run` complete, as they work. */
const wordsOf = (all: readonly Words[], path: string): string => {
  const { words = [] } = all.find((one) => one.path === path) ?? {};
  const more = path === '' ? (all.find((one) => one.path === 'run')?.words ?? []) : [];
  return [...words, ...more].join(' ');
};

function bash(all: readonly Words[]): string {
  const cases = all.map(({ path }) => `    "${path}") words="${wordsOf(all, path)}" ;;`);
  const choices = [...CHOICES].map(([option, values]) => `    ${option}) words="${values}" ;;`);
  return `# eval "$(openmv-bridge completion bash)"
_openmv_bridge() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path="" words=""
  case "\${COMP_WORDS[1]}" in -*|"") ;; *) [ "$COMP_CWORD" -gt 1 ] && path="\${COMP_WORDS[1]}" ;; esac
  if [ "$path" = algo ] && [ "$COMP_CWORD" -gt 2 ]; then path="algo \${COMP_WORDS[2]}"; fi
  case "$path" in
${cases.join('\n')}
  esac
  case "$before" in
${choices.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _openmv_bridge openmv-bridge
`;
}

function zsh(all: readonly Words[]): string {
  return `# source <(openmv-bridge completion zsh)
autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
${bash(all).replace(/^#.*\n/, '')}`;
}

function fish(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const seen = path.split(' ').filter(Boolean);
    const condition =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    return words.map((word) => {
      if (!word.startsWith('--')) return `complete -c openmv-bridge -n '${condition}' -f -a ${word}`;
      const values = CHOICES.get(word);
      const argument = values === undefined ? '' : ` -x -a '${values}'`;
      return `complete -c openmv-bridge -n '${condition}' -l ${word.slice(2)}${argument}`;
    });
  });
  return `# openmv-bridge completion fish | source\n${lines.join('\n')}\n`;
}

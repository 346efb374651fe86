/** `openmv-bridge ctl COMMAND [name=value ...]`: one command to a running bridge. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  COMMANDS,
  type SendOptions,
  SLOW_COMMANDS,
  sendCommand,
  similarNames,
  VIZION_CONTROL_PATH,
} from '../../control/index.js';
import { BridgeError } from '../../errors.js';
import { sendRemoteCommand } from '../../fleet/index.js';
import { natsClientShape } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { wrapped } from '../help.js';

/** Longest wait for a reply, in seconds. */
const WAIT_S = 5;
const LONG_WAIT_S = 60;

interface CtlFlags {
  socket?: string;
  controlName?: 'openmv' | 'vizion';
  camera?: string;
  timeout?: string;
  nats?: string;
}

export function configure(command: Command): void {
  command
    .usage('[options] COMMAND [name=value ...]')
    .argument('[command]', 'what to do; a beginning that only one command has is enough')
    .argument('[parameters...]', 'name=value')
    .option('--socket <PATH>', "the control socket; default: that of this user's bridge")
    .option(
      '--timeout <SECONDS>',
      `longest wait for the reply; default: ${WAIT_S}, or ${LONG_WAIT_S} for streams, scripts and resets`,
    )
    .option('--camera <ID>', 'which camera, when there are several')
    .addOption(
      new Option(
        '--control-name <NAME>',
        'control socket of the bridge where that program looks for it',
      ).choices(['openmv', 'vizion']),
    )
    .option('--completion', 'the same as `openmv-bridge completion bash`')
    .addHelpText('after', () => `\nCommands:\n${commandList(command)}`);
  const access = ownFlags(command, natsClientShape);
  command.action((name: string | undefined, parameters: string[], flags: CtlFlags) =>
    withOutput(false, async () => {
      const request = {
        command: findCommand(name),
        ...(parameters.length > 0 && { params: parameterValues(parameters) }),
        camera: flags.camera,
      };
      const wait = SLOW_COMMANDS.has(request.command) ? LONG_WAIT_S : WAIT_S;
      const timeoutMs = Number(flags.timeout ?? wait) * 1_000;
      if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) {
        throw new BridgeError('OPTION_INVALID', `--timeout takes seconds, not "${flags.timeout}".`);
      }
      if (flags.nats !== undefined) {
        const { camera, ...rest } = request;
        const text = await sendRemoteCommand(access(), { camera, request: rest, timeoutMs });
        process.stdout.write(`${text}\n`);
        return succeeded(text) ? EXIT.done : EXIT.no;
      }
      const path = flags.socket ?? (flags.controlName === 'vizion' ? VIZION_CONTROL_PATH : undefined);
      return (await send(request, { path, timeoutMs })) ? EXIT.done : EXIT.no;
    }),
  );
}

/** Prints each reply; true: the command succeeded. */
async function send(request: { readonly command: string }, options: SendOptions): Promise<boolean> {
  let done: boolean | undefined;
  const reply = (text: string): boolean => {
    process.stdout.write(`${text}\n`);
    done ??= succeeded(text);
    return done && request.command === 'subscribe';
  };
  await sendCommand(request, reply, options);
  if (done !== undefined) return done;
  throw new BridgeError('PORT_CLOSED', 'The bridge ended before it answered.');
}

/** Whether a reply says so. */
const succeeded = (reply: string): boolean =>
  (JSON.parse(reply) as { status?: unknown }).status === 'success';

/** The command of that name, or the only one that begins so. */
function findCommand(name: string | undefined): string {
  const names = COMMANDS.map((command) => command.name);
  if (name !== undefined && names.includes(name)) return name;
  const found = name === undefined ? [] : names.filter((candidate) => candidate.startsWith(name));
  if (found.length === 1) return found[0]!;
  const what = name === undefined ? 'Say which command' : `There is no command ${name}`;
  const similar = name === undefined ? [] : found.length > 0 ? found : similarNames(name);
  throw new BridgeError(
    'OPTION_INVALID',
    similar.length > 0
      ? `${what}. Do you mean ${similar.join(' or ')}?`
      : `${what}; there are: ${names.join(', ')}.`,
  );
}

function parameterValues(parameters: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const parameter of parameters) {
    const at = parameter.indexOf('=');
    if (at < 1) {
      throw new BridgeError('OPTION_INVALID', `A parameter is name=value, not "${parameter}".`);
    }
    const name = parameter.slice(0, at);
    const value = parameter.slice(at + 1);
    // The bridge may run in another directory.
    values[name] = name === 'path' ? resolve(value) : value;
  }
  return values;
}

function commandList(command: Command): string {
  const lines = COMMANDS.flatMap(({ name, usage, help }) => [
    wrapped(command, `${name} ${usage}`.trimEnd(), 2),
    wrapped(command, help, 6),
  ]);
  return lines.join('\n');
}

/** What a command is. */
import { z } from 'zod';
import type { Bridge, BridgeStats, FrameResult } from '../bridge/index.js';

/** One camera as commands see it. */
export interface Target {
  readonly bridge: Bridge;
  /** The figures of the last second; undefined in the first one. */
  readonly stats: BridgeStats | undefined;
  /** The last of what its script has printed. */
  readonly output: string;
  /** The last results of the algorithm, oldest first. */
  readonly results: readonly FrameResult[];
}

/** What a command can do beyond its camera. */
export interface CommandContext {
  /** All cameras. */
  readonly targets: readonly Target[];
  /** Sends a line of JSON to the client after the reply; false: it does not read, and this one is left out. */
  send(line: object): boolean;
  /** Called when the client has gone. */
  onGone(listener: () => void): void;
}

export type Reply = Readonly<Record<string, unknown>>;

export interface Command {
  readonly name: string;
  /** For people: `name=value` parameters, and what it does. */
  readonly usage: string;
  readonly help: string;
  readonly params: z.ZodType;
  readonly needsCamera: boolean;
  /** Checks the parameters and carries it out; `target` is undefined for commands that need no camera. */
  run(params: unknown, target: Target | undefined, context: CommandContext): Promise<Reply>;
}

/** A command for one camera. `act` answers its reply, or the message of success. */
export function command<T>(
  name: string,
  usage: string,
  help: string,
  params: z.ZodType<T>,
  act: (target: Target, params: T, context: CommandContext) => Promise<Reply | string> | Reply | string,
): Command {
  return {
    name,
    usage,
    help,
    params,
    needsCamera: true,
    run: async (input, target, context) => {
      const answer = await act(target!, params.parse(input), context);
      return typeof answer === 'string'
        ? { status: 'success', message: answer }
        : { status: 'success', ...answer };
    },
  };
}

/** Commands whose replies take long: a script is sent, the camera restarts, a pipeline starts or is finished. */
export const SLOW_COMMANDS: ReadonlySet<string> = new Set([
  'start_stream',
  'stop_stream',
  'exec_script',
  'reset',
  'install',
]);

/** Parameters of a command that takes none. */
export const none = z.strictObject({});

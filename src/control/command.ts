/** What a command is. */
import { z } from 'zod';
import type { Bridge } from '../bridge/bridge.js';
import type { BridgeStats } from '../bridge/events.js';

/** One camera as commands see it. */
export interface Target {
  readonly bridge: Bridge;
  /** The figures of the last second; undefined in the first one. */
  readonly stats: BridgeStats | undefined;
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
  /** Checks the parameters and carries it out; `target` is undefined for commands that need no camera. */
  run(params: unknown, target: Target | undefined, context: CommandContext): Promise<Reply>;
  readonly needsCamera: boolean;
}

interface Definition<T> {
  readonly name: string;
  readonly usage?: string;
  readonly help: string;
  readonly params?: z.ZodType<T>;
}

/** A command for one camera. */
export function command<T = Record<string, never>>(
  definition: Definition<T>,
  act: (target: Target, params: T, context: CommandContext) => Promise<Reply> | Reply,
): Command {
  const schema = definition.params ?? (z.strictObject({}) as unknown as z.ZodType<T>);
  return {
    name: definition.name,
    usage: definition.usage ?? '',
    help: definition.help,
    needsCamera: true,
    run: async (params, target, context) => act(target!, schema.parse(params), context),
  };
}

/** A command for all cameras. */
export function generalCommand<T = Record<string, never>>(
  definition: Definition<T>,
  act: (params: T, context: CommandContext) => Promise<Reply> | Reply,
): Command {
  const made = command(definition, (_target, params, context) => act(params, context));
  return { ...made, needsCamera: false };
}

export const success = (message: string): Reply => ({ status: 'success', message });

/** Carries commands out: finds the camera, checks parameters, answers errors in VizionStreamer's form. */
import { z } from 'zod';
import type { Bridge, BridgeStats, FrameResult } from '../bridge/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Command, CommandContext, Reply } from './command.js';
import { OBJECT } from './message-reader.js';
import { ownCommands } from './own-commands.js';
import { problems } from './parameters.js';
import { recordingCommands } from './recording-commands.js';
import { sensorCommands } from './sensor-commands.js';
import { streamCommands } from './stream-commands.js';

/** All commands, VizionStreamer's first. */
export const COMMANDS: readonly Command[] = [
  ...streamCommands,
  ...sensorCommands,
  ...ownCommands,
  ...recordingCommands,
];
const BY_NAME = new Map(COMMANDS.map((command) => [command.name, command]));

const camera = z.string({ error: '"camera" is the id of a camera, as list_cameras has it' }).optional();
const requestSchema = z.object(
  {
    command: z.string({ error: `"command" is missing, or no text: ${OBJECT}` }),
    params: z.record(z.string(), z.unknown(), { error: '"params" is no JSON object' }).nullish(),
    camera,
  },
  { error: OBJECT },
);

/** What is kept of each camera: characters of its script's output, and results of its algorithm. */
const OUTPUT_CHARACTERS = 16_384;
const KEPT_RESULTS = 20;

/** Carries out a command for a camera that is elsewhere. Rejects when it is refused there. */
export type Forward = (command: string, params: unknown) => Promise<Reply>;

type Sender = Pick<CommandContext, 'send' | 'onGone'>;
/** A client that takes replies alone. */
const NO_LINES: Sender = { send: () => false, onGone: () => undefined };

interface Kept {
  readonly bridge: Bridge;
  stats: BridgeStats | undefined;
  output: string;
  readonly results: FrameResult[];
  /** Where its commands are carried out; undefined: here. */
  readonly forward: Forward | undefined;
}

/** An error's reply. */
export const failure = (message: string): Reply => ({ status: 'error', message });

/** A command that is none. */
const invalid = ({ issues }: z.ZodError): Reply =>
  failure(`Invalid command: ${issues.map(({ message }) => message).join('; ')}`);

export class ControlService {
  /** What each camera's subscriptions keep, and how they end. */
  readonly #targets = new Map<Kept, () => void>();

  /** Adds a camera, until its bridge has ended. `forward`: for one that is elsewhere. */
  add(bridge: Bridge, forward?: Forward): void {
    const target: Kept = { bridge, stats: undefined, output: '', results: [], forward };
    const subscriptions = [
      bridge.stats$.subscribe((stats) => {
        target.stats = stats;
      }),
      bridge.events$.subscribe((event) => {
        if (event.type === 'stdout') target.output = (target.output + event.text).slice(-OUTPUT_CHARACTERS);
      }),
      bridge.results$.subscribe((result) => {
        target.results.push(result);
        if (target.results.length > KEPT_RESULTS) target.results.shift();
      }),
    ];
    const remove = (): void => {
      for (const subscription of subscriptions) subscription.unsubscribe();
      this.#targets.delete(target);
    };
    this.#targets.set(target, remove);
    bridge.done.then(remove, remove);
  }

  /** The last of what a camera's script has printed; empty for a bridge that has ended. */
  outputOf(bridge: Bridge): string {
    return [...this.#targets.keys()].find((target) => target.bridge === bridge)?.output ?? '';
  }

  /** Lets go of the cameras; their bridges go on. */
  close(): void {
    for (const remove of this.#targets.values()) remove();
  }

  /** Answers one message; never rejects. */
  async answer(message: unknown, sender = NO_LINES): Promise<Reply> {
    const request = requestSchema.safeParse(message);
    if (!request.success) return invalid(request.error);
    const { command: name, params } = request.data;
    const { camera: inParams, ...rest } = params ?? {};
    const wanted = camera.safeParse(request.data.camera ?? inParams);
    if (!wanted.success) return invalid(wanted.error);
    try {
      return await this.perform(name, rest, wanted.data, sender);
    } catch (error) {
      return failure(asBridgeError(error).message);
    }
  }

  /**
   * Carries out one command; `wanted`: the camera's id, which may be left out where there is one. OPTION_INVALID: there is no such command
   * or camera, or a parameter is wrong; else what the command ends in.
   */
  async perform(
    name: string,
    params: unknown,
    wanted: string | undefined,
    sender = NO_LINES,
  ): Promise<Reply> {
    const command = BY_NAME.get(name);
    if (!command) {
      const similar = similarNames(name);
      const hint = similar.length > 0 ? `do you mean ${similar.join(' or ')}? ` : '';
      throw new BridgeError(
        'OPTION_INVALID',
        `Unknown command: ${name.slice(0, 64)} (${hint}openmv-bridge ctl --help lists them all)`,
      );
    }
    try {
      const target = command.needsCamera ? this.#target(wanted) : undefined;
      if (target?.forward) return await target.forward(name, params);
      return await command.run(params, target, { ...sender, targets: [...this.#targets.keys()] });
    } catch (cause) {
      if (!(cause instanceof z.ZodError)) throw cause;
      const message = problems(cause, `${name} takes ${command.usage || 'none'}`);
      throw new BridgeError('OPTION_INVALID', message, { cause });
    }
  }

  #target(wanted: string | undefined): Kept {
    const targets = [...this.#targets.keys()];
    const found =
      wanted === undefined && targets.length === 1
        ? targets[0]
        : targets.find(({ bridge }) => bridge.cameraId === wanted);
    if (found) return found;
    const list = targets.map(({ bridge }) => bridge.cameraId).join(', ') || 'none at the moment';
    const message =
      wanted === undefined
        ? `parameter "camera" is needed to say which camera is meant (there is: ${list})`
        : `parameter "camera": there is no ${wanted.slice(0, 64)} (there is: ${list})`;
    throw new BridgeError('OPTION_INVALID', message);
  }
}

/** Commands whose names differ from `name` by little, the most similar first; at most three. */
export function similarNames(name: string): string[] {
  const near = COMMANDS.map((command) => ({ name: command.name, distance: distance(name, command.name) }));
  const limit = Math.max(2, Math.floor(name.length / 3));
  const found = near.filter((one) => one.distance <= limit).sort((a, b) => a.distance - b.distance);
  return found.slice(0, 3).map((one) => one.name);
}

/** Levenshtein's distance: letters to change, add or take away. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > b.length) return b.length;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

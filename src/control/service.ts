/** Carries commands out: finds the camera, checks parameters, answers errors in VizionStreamer's form. */
import { z } from 'zod';
import type { Bridge } from '../bridge/bridge.js';
import type { BridgeStats } from '../bridge/events.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Command, CommandContext, Reply, Target } from './command.js';
import { ownCommands } from './own-commands.js';
import { problems } from './parameters.js';
import { sensorCommands } from './sensor-commands.js';
import { streamCommands } from './stream-commands.js';

/** All commands, VizionStreamer's first. */
export const COMMANDS: readonly Command[] = [...streamCommands, ...sensorCommands, ...ownCommands];
const BY_NAME = new Map(COMMANDS.map((command) => [command.name, command]));

const OBJECT = 'a command is a JSON object, such as {"command":"get_status"}';
const camera = z.string({ error: '"camera" is the id of a camera, as list_cameras has it' }).optional();
const requestSchema = z.object(
  {
    command: z.string({ error: `"command" is missing, or no text: ${OBJECT}` }),
    params: z.record(z.string(), z.unknown(), { error: '"params" is no JSON object' }).nullish(),
    camera,
  },
  { error: OBJECT },
);

type Sender = Pick<CommandContext, 'send' | 'onGone'>;

export class ControlService {
  readonly #targets: { bridge: Bridge; stats: BridgeStats | undefined }[] = [];

  /** Adds a camera. */
  add(bridge: Bridge): void {
    const target: { bridge: Bridge; stats: BridgeStats | undefined } = { bridge, stats: undefined };
    bridge.stats$.subscribe((stats) => {
      target.stats = stats;
    });
    this.#targets.push(target);
  }

  /** Answers one message; never rejects. */
  async answer(text: string, sender: Sender): Promise<Reply> {
    try {
      return await this.#run(text, sender);
    } catch (error) {
      return failure(asBridgeError(error).message);
    }
  }

  async #run(text: string, sender: Sender): Promise<Reply> {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return failure('Invalid JSON');
    }
    const request = requestSchema.safeParse(parsed);
    if (!request.success) return invalid(request.error);
    const { command: name, params } = request.data;
    const command = BY_NAME.get(name);
    if (!command) {
      return failure(`Unknown command: ${name.slice(0, 64)} (openmv-bridge ctl --help lists them all)`);
    }
    const { camera: inParams, ...rest } = params ?? {};
    const wanted = camera.safeParse(request.data.camera ?? inParams);
    if (!wanted.success) return invalid(wanted.error);
    const target = command.needsCamera ? this.#target(wanted.data) : undefined;
    try {
      return await command.run(rest, target, { ...sender, targets: this.#targets });
    } catch (error) {
      if (!(error instanceof z.ZodError)) throw error;
      return failure(
        problems(error, command.usage ? `${name} takes ${command.usage}` : `${name} takes none`),
      );
    }
  }

  #target(wanted: string | undefined): Target {
    const ids = this.#targets.map(({ bridge }) => bridge.cameraId);
    const found =
      wanted === undefined && ids.length === 1
        ? this.#targets[0]
        : this.#targets.find(({ bridge }) => bridge.cameraId === wanted);
    if (found) return found;
    const list = ids.join(', ') || 'none yet';
    throw new BridgeError(
      'OPTION_INVALID',
      wanted === undefined
        ? `parameter "camera" is needed, for there are several: ${list}`
        : `parameter "camera": there is no ${wanted.slice(0, 64)} (there is: ${list})`,
    );
  }
}

/** A command that is none. */
const invalid = ({ issues }: z.ZodError): Reply =>
  failure(`Invalid command: ${issues.map(({ message }) => message).join('; ')}`);

/** An error's reply. */
export function failure(message: string): Reply {
  return { status: 'error', message };
}

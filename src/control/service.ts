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

const requestSchema = z.object({
  command: z.string(),
  params: z.record(z.string(), z.unknown()).nullish(),
  camera: z.string().optional(),
});

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
      return failure(error instanceof z.ZodError ? problems(error) : asBridgeError(error).message);
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
    if (!request.success) return failure(`Invalid command: ${problems(request.error)}`);
    const { command: name, params, camera } = request.data;
    const command = BY_NAME.get(name);
    if (!command) return failure(`Unknown command: ${name.slice(0, 64)}`);
    const { camera: inParams, ...rest } = params ?? {};
    const wanted = camera ?? (typeof inParams === 'string' ? inParams : undefined);
    const target = command.needsCamera ? this.#target(wanted) : undefined;
    return command.run(rest, target, { ...sender, targets: this.#targets });
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

/** An error's reply. */
export function failure(message: string): Reply {
  return { status: 'error', message };
}

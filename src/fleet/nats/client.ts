/** The other end of the services: commands to a camera of a site. */
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { BridgeError } from '../../errors.js';
import { parseJson } from '../../json.js';
import type { NatsClientOptions } from '../../options/index.js';
import { type CameraName, subjectOf } from '../names.js';
import { connectionError, connectionOptions, connectTo } from './access.js';
import { nobodyThere } from './call-message.js';
import { SERVICE_NAME, type ServedCamera } from './control.js';

/** Answers to the question who is there: how long for all, and after the last one. */
const ASK_MS = 2_000;
const STALL_MS = 400;

export interface RemoteCommand {
  /** The camera's id; undefined: the only one of the site. */
  readonly camera?: string | undefined;
  /** As the control socket takes it: `{command: 'set_gain', params: {value: 12}}`. */
  readonly request: Readonly<Record<string, unknown>>;
  /** The longest wait for its reply. */
  readonly timeoutMs: number;
}

/**
 * Sends one command and gives its reply, a JSON object as text. BROKER_FAILED, BROKER_DENIED: the server cannot be used;
 * PORT_NOT_FOUND: no bridge serves that camera; OPTION_INVALID: there are several; PORT_FAILED: no reply in time.
 */
export async function sendNatsCommand(access: NatsClientOptions, command: RemoteCommand): Promise<string> {
  const { site } = access;
  const connection = await connectTo(await connectionOptions(access, 'openmv-bridge ctl'));
  try {
    const camera = command.camera ?? (await onlyCamera(connection, site));
    return await ask(connection, { ...command, site, camera });
  } finally {
    await connection.close();
  }
}

/** One command on a connection; its reply as text. As above. */
export async function ask(
  connection: NatsConnection,
  { site, camera, request, timeoutMs }: RemoteCommand & CameraName,
): Promise<string> {
  const subject = subjectOf({ site, camera }, 'ctl');
  try {
    const reply = await connection.request(subject, JSON.stringify(request), { timeout: timeoutMs });
    return reply.string();
  } catch (cause) {
    if (nobodyThere(cause)) {
      throw new BridgeError(
        'PORT_NOT_FOUND',
        `No bridge serves the camera ${camera} at the site ${site}: is it running, with this server?`,
        { cause, context: { site, camera } },
      );
    }
    if (cause instanceof errors.TimeoutError) {
      const message = `The camera ${camera} has not replied within ${timeoutMs / 1_000} s.`;
      throw new BridgeError('PORT_FAILED', message, { cause, context: { site, camera } });
    }
    throw connectionError(cause, { servers: connection.getServer() });
  }
}

/** The cameras of a site that are served now. `allMs`: answers are waited for so long, also when none comes for a while. */
export async function servedCameras(
  connection: NatsConnection,
  site: string,
  allMs?: number,
): Promise<ServedCamera[]> {
  const found = new Map<string, ServedCamera>();
  const answers = await connection.requestMany(`$SRV.INFO.${SERVICE_NAME}`, '', {
    ...(allMs === undefined
      ? { strategy: 'stall', maxWait: ASK_MS, stall: STALL_MS }
      : { strategy: 'timer', maxWait: allMs }),
  });
  try {
    for await (const answer of answers) {
      const { metadata } = parseJson(answer.string()) as { metadata?: Partial<ServedCamera> };
      const { camera, machine = '' } = metadata ?? {};
      if (metadata?.site === site && camera !== undefined) found.set(camera, { site, camera, machine });
    }
  } catch {
    // No one is there at all.
  }
  return [...found.values()].sort((a, b) => a.camera.localeCompare(b.camera));
}

async function onlyCamera(connection: NatsConnection, site: string): Promise<string> {
  const cameras = (await servedCameras(connection, site)).map(({ camera }) => camera);
  const [first, ...others] = cameras;
  if (first === undefined) {
    throw new BridgeError('PORT_NOT_FOUND', `No bridge serves a camera at the site ${site}.`, {
      context: { site, options: ['site'] },
    });
  }
  if (others.length === 0) return first;
  throw new BridgeError(
    'OPTION_INVALID',
    `Say which camera is meant; at the site ${site} there are: ${cameras.join(', ')}.`,
    { context: { cameras, options: ['cameraId'] } },
  );
}

/** A camera at a NATS server, as `watch` and `mirror` name it, and what is told of its server. */
import { BridgeError } from '../errors.js';
import type { SubscribeOptions } from '../fleet/index.js';
import type { Output } from './output.js';

export interface RemoteCamera {
  readonly url: string;
  readonly camera: string;
  readonly site?: string;
}

/** The parts of `nats://HOST[:PORT]/[SITE/]CAMERA`; undefined: it is none. OPTION_INVALID: it lacks the camera. */
export function remoteCamera(text: string): RemoteCamera | undefined {
  if (!/^(nats|tls):\/\//.test(text)) return undefined;
  const [, url, site, camera] = /^(\w+:\/\/[^/]+)(?:\/([^/]+))?\/([^/]+)$/.exec(text) ?? [];
  if (url !== undefined && camera !== undefined)
    return { url, camera, ...(site === undefined ? {} : { site }) };
  throw new BridgeError(
    'OPTION_INVALID',
    `${text} names no camera: give nats://HOST:PORT/CAMERA, or nats://HOST:PORT/SITE/CAMERA.`,
  );
}

/** Says once that the server is away, and that it is there again. */
export function serverReport(output: Output): NonNullable<SubscribeOptions['told']> {
  let away = false;
  return {
    away: (error) => {
      away = true;
      output.error(error);
    },
    connected: () => {
      if (away) output.log('info', 'NATS is there again');
      away = false;
    },
  };
}

/** Nothing came. */
export function nothingCame({ url, camera, site = 'local' }: RemoteCamera): BridgeError {
  const text = `No frame came of ${camera} at site ${site}: is a bridge with this camera, this site and --nats ${url} running?`;
  return new BridgeError('BROKER_FAILED', text, { context: { url, camera, site } });
}

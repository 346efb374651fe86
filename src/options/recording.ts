/** Ports that are recordings, and the options that only these have a use for. */
import { BridgeError } from '../errors.js';

const PORT = 'replay:';

/** The file that a port `replay:FILE` names; undefined: it is a camera's. */
export const recordingOf = (port: string): string | undefined =>
  port.startsWith(PORT) ? port.slice(PORT.length) : undefined;

/** Throws OPTION_INVALID where `speed` or `loop` is set, and none of the ports is a recording. */
export function expectRecording(
  ports: readonly string[],
  {
    speed = 1,
    loop = false,
  }: { readonly speed?: number | 'max' | undefined; readonly loop?: boolean | undefined },
): void {
  if (ports.some((port) => recordingOf(port) !== undefined)) return;
  const options = [...(speed === 1 ? [] : ['speed']), ...(loop ? ['loop'] : [])];
  if (options.length === 0) return;
  const have = options.length === 1 ? 'has' : 'have';
  throw new BridgeError(
    'OPTION_INVALID',
    `${options.join(' and ')} ${have} no effect without a recording to replay: give one as the port, as in replay:FILE.`,
    { context: { options } },
  );
}

/** SIGHUP: the configuration is read again. What can change does, what cannot is said. */
import { isDeepStrictEqual } from 'node:util';
import { asBridgeError } from '../errors.js';
import type { RunOptions } from '../options/index.js';
import type { Cameras } from './cameras.js';
import type { RunInputs } from './config.js';
import type { Output } from './output.js';
import type { ServiceManager } from './sd-notify.js';

/** Options beside those of cameras that take effect at once. */
const LIVE: readonly (keyof RunOptions)[] = ['logLevel', 'quiet', 'stats'];

export interface Reloading {
  /** Reads flags and file as at the start; cameras that stay keep what they are named by. */
  readonly read: (before: RunInputs) => Promise<RunInputs>;
  readonly cameras: Cameras;
  readonly output: Output;
  readonly manager: ServiceManager;
}

/** Goes from one configuration to the next; resolves to the one in force. Never rejects. */
export async function reload(
  before: RunInputs,
  { read, cameras, output, manager }: Reloading,
): Promise<RunInputs> {
  manager.reloading();
  try {
    const next = await read(before);
    const changed = (Object.keys(next.options) as (keyof RunOptions)[]).filter(
      (name) => !isDeepStrictEqual(next.options[name], before.options[name]),
    );
    output.set(next.options);
    const { kept, opened, closed } = await cameras.replace(next.bridges);
    const live = changed.filter((name) => LIVE.includes(name));
    const parts = [
      ...live.map((name) => `${name} is ${String(next.options[name])}`),
      ...(closed.length > 0 ? [`closed ${closed.join(', ')}`] : []),
      ...(opened.length > 0 ? [`opened ${opened.join(', ')}`] : []),
      `${kept} camera${kept === 1 ? '' : 's'} untouched`,
    ];
    output.log('info', `the configuration was read again: ${parts.join('; ')}`);
    const late = changed.filter((name) => !LIVE.includes(name));
    if (late.length > 0) output.log('warn', `takes effect at the next start only: ${late.join(', ')}`);
    // What takes effect at the next start stays different from what is in force.
    const rest = Object.fromEntries(late.map((name) => [name, before.options[name]]));
    return { ...next, options: { ...next.options, ...rest } };
  } catch (error) {
    output.error(asBridgeError(error));
    output.log('warn', 'the configuration stays as it was');
    return before;
  } finally {
    manager.ready(cameras.summary);
  }
}

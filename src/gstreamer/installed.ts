/** Whether GStreamer is on this machine, with the elements that every pipeline begins with. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PACKAGE_NAMES, PROGRAM } from './last-words.js';

const run = promisify(execFile);

export interface InstalledGstreamer {
  /** Such as `1.22.0`; undefined: there is none. */
  readonly version: string | undefined;
  /** Elements of every pipeline that are missing. */
  readonly missing: readonly string[];
  /** Debian's packages that it is in. */
  readonly packages: readonly string[];
}

/** Asks GStreamer's own programs. Rejects with `signal.reason`. */
export async function findGstreamer(signal?: AbortSignal): Promise<InstalledGstreamer> {
  const asked = async (program: string, argument: string): Promise<string | undefined> => {
    const { stdout } = await run(program, [argument], { signal }).catch(() => ({ stdout: undefined }));
    signal?.throwIfAborted();
    return stdout;
  };
  const version = /version (\S+)/.exec((await asked(PROGRAM, '--version')) ?? '')?.[1];
  const missing: string[] = [];
  for (const element of version === undefined ? [] : ['matroskademux', 'jpegdec']) {
    if ((await asked('gst-inspect-1.0', element)) === undefined) missing.push(element);
  }
  return { version, missing, packages: PACKAGE_NAMES };
}

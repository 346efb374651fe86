/** `openmv-bridge exec SCRIPT`: runs a script on the camera and follows its output. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import type { Camera } from '../../camera/camera.js';
import { BridgeError } from '../../errors.js';
import { cameraFlags, withCamera, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { endsWithTraceback, ReplFilter } from '../repl-text.js';
import { onStop } from '../stop-signals.js';

/** How often the camera is asked whether the script still runs. */
const LOOK_MS = 100;
/** How long what the script printed last may take: the interpreter's restart lies in between. */
const REST_MS = 5_000;
/** Looks in a row that find nothing left to read. */
const QUIET_LOOKS = 2;
/** Questions in a row without an answer before the camera is given up. */
const ATTEMPTS = 5;
const TAIL = 4_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function configure(command: Command): void {
  command.argument('<script>', 'a MicroPython file');
  const given = cameraFlags(command, {
    detach: z.boolean().default(false).meta({
      flag: '--detach',
      group: 'Options',
      description: 'start it and leave it running',
    }),
  });
  command.action((path: string) =>
    withOutput(false, async () => {
      const { camera: input, own } = given();
      const script = await readFile(path, 'utf8').catch((cause: unknown) => {
        throw new BridgeError('OPTION_INVALID', `The script ${path} cannot be read: ${String(cause)}.`, {
          cause,
        });
      });
      return withCamera(input, (camera) => follow(camera, script, own.detach));
    }),
  );
}

async function follow(camera: Camera, script: string, detach: boolean): Promise<number> {
  let tail = '';
  let stopping = false;
  const stopListening = onStop(() => {
    stopping = true;
  });
  // What an earlier script printed is not this one's output.
  let following = false;
  const filter = new ReplFilter();
  const show = (text: string): void => {
    if (text === '') return;
    process.stdout.write(text);
    tail = (tail + text).slice(-TAIL);
  };
  const subscription = camera.stdout$.subscribe((text) => {
    if (following) show(filter.push(text));
  });
  try {
    await camera.stop();
    await drained(camera);
    following = true;
    await camera.exec(script);
    if (detach) return EXIT.done;
    await ended(camera, () => stopping);
    if (stopping) await camera.stop();
    await drained(camera);
    show(filter.end());
    return !stopping && endsWithTraceback(tail) ? EXIT.no : EXIT.done;
  } finally {
    subscription.unsubscribe();
    stopListening();
  }
}

/** Until the script has ended or `stopped` says so. Its interpreter's restart may take a question with it, not all of them. */
async function ended(camera: Camera, stopped: () => boolean): Promise<void> {
  for (let failures = 0; !stopped(); ) {
    try {
      if (!(await camera.running())) return;
      failures = 0;
    } catch (error) {
      const passing = error instanceof BridgeError && error.code !== 'PORT_CLOSED';
      if (!passing || ++failures >= ATTEMPTS) throw error;
    }
    await sleep(LOOK_MS);
  }
}

/** Until all that was printed has been read, or too long. Each byte is read by the camera's own reader of stdout. */
async function drained(camera: Camera): Promise<void> {
  const stdout = camera.channel('stdout');
  const until = performance.now() + REST_MS;
  for (let quiet = 0; quiet < QUIET_LOOKS && performance.now() < until; ) {
    await sleep(LOOK_MS);
    try {
      quiet = (await stdout.size()) === 0 ? quiet + 1 : 0;
    } catch (error) {
      // The interpreter's restart took the question with it.
      if (!(error instanceof BridgeError) || error.code === 'PORT_CLOSED') throw error;
      quiet = 0;
    }
  }
}

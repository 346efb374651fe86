/** A script from its start to its end: what it printed, or the exception that ended it. */
import type { Observable } from 'rxjs';
import { abortable, pause, Signal } from '../async.js';
import { BridgeError } from '../errors.js';
import { ChannelId, StdinEvent } from '../protocol/index.js';
import { ReplFilter, tracebackAtEnd } from './repl-text.js';
import { isPassing, type Scripts } from './script.js';
import type { Session } from './session.js';
import type { StdoutReader } from './stdout.js';

/** How often the camera is asked whether the script still runs. */
const LOOK_MS = 100;
/** How long what the script printed last may take: the interpreter's restart lies in between. */
const REST_MS = 5_000;
/** Looks in a row that find nothing left to read. */
const QUIET_LOOKS = 2;
/** Questions in a row without an answer before the camera is given up. */
const ATTEMPTS = 5;
/** Characters of output that are kept: the last ones. */
const MAX_OUTPUT = 1024 * 1024;

export interface RunOptions {
  /** Aborted: rejects with its reason at once; the script goes on until `camera.stop()`. */
  signal?: AbortSignal | undefined;
  /** Aborted: the script is stopped, and what it printed until then is the result. */
  stop?: AbortSignal | undefined;
  /** Gets what the script prints, as it comes. */
  onText?: ((text: string) => void) | undefined;
}

export interface RunParts {
  readonly session: Session;
  readonly scripts: Scripts;
  readonly stdout: StdoutReader;
  readonly stdout$: Observable<string>;
}

/** See `Camera.run`. */
export async function runScript(parts: RunParts, script: string, options: RunOptions): Promise<string> {
  const { scripts, stdout$ } = parts;
  const { signal, stop, onText } = options;
  const filter = new ReplFilter();
  let output = '';
  // What an earlier script printed is not this one's output.
  let following = false;
  const take = (text: string): void => {
    if (text === '') return;
    output = (output + text).slice(-MAX_OUTPUT);
    onText?.(text);
  };
  const subscription = stdout$.subscribe((text) => {
    if (following) take(filter.push(text));
  });
  try {
    await scripts.stop(signal);
    await drained(parts, signal);
    following = true;
    await scripts.exec(script, signal);
    await ended(parts, stop, signal);
    if (stop?.aborted) await scripts.stop(signal);
    await drained(parts, signal);
    take(filter.end());
  } finally {
    subscription.unsubscribe();
  }
  const traceback = tracebackAtEnd(output);
  if (traceback === undefined || stop?.aborted) return output;
  const exception = traceback.slice(traceback.lastIndexOf('\n') + 1);
  throw new BridgeError(
    'SCRIPT_EXCEPTION',
    `The script ended with an exception: ${exception}\n${traceback}`,
    {
      context: { exception, traceback, output },
    },
  );
}

/** Until the script has ended, or is to be stopped. The interpreter's restart may take a question with it, not all of them. */
async function ended(
  { session, scripts }: RunParts,
  stop: AbortSignal | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stopped = new Signal(session.clock);
  const stopListening = session.onEvent(({ channelId, event }) => {
    if (channelId === ChannelId.STDIN && event === StdinEvent.STOPPED) stopped.set();
  });
  try {
    for (let failures = 0; !stop?.aborted; ) {
      try {
        if (!(await scripts.running(signal))) return;
        failures = 0;
      } catch (error) {
        if (!isPassing(error) || ++failures >= ATTEMPTS) throw error;
      }
      await stopped.wait(LOOK_MS, signal);
    }
  } finally {
    stopListening();
  }
}

/** Until all that was printed has been read, or too long. */
export async function drained(
  { session, stdout }: Pick<RunParts, 'session' | 'stdout'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const until = session.clock.now() + REST_MS;
  for (let quiet = 0; quiet < QUIET_LOOKS && session.clock.now() < until; ) {
    await pause(LOOK_MS, signal, session.clock);
    quiet = (await abortable(stdout.drain(), signal)) ? quiet + 1 : 0;
  }
}

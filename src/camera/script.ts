/**
 * Scripts on the camera: stop, upload, run. The order matters: an upload while the old script is still finishing
 * is lost, because the interpreter's restart at its end clears what was uploaded.
 */
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { ChannelId, StdinEvent, StdinIoctl } from '../protocol/index.js';
import { Channel } from './channel.js';
import { scriptText } from './script-text.js';
import type { Session } from './session.js';

const POLL_MS = 20;
/** How long a script may take to stop: it may be inside a long C call. */
const STOP_MS = 5_000;
/** After a script that was uploaded the interpreter restarts; that begins within this time. */
const REBOOT_GRACE_MS = 150;
/** How long until a script that was started shows itself. */
const START_MS = 3_000;
const ATTEMPTS = 5;
/** An upload may be repeated without harm. On a line that loses one packet in ten every third one fails. */
const UPLOADS = 20;
/** Largest script the camera's heap can be expected to hold. */
export const MAX_SCRIPT_BYTES = 256 * 1024;

export class Scripts {
  readonly #session: Session;
  readonly #stdin: Channel;

  constructor(session: Session) {
    this.#session = session;
    this.#stdin = new Channel('stdin', session);
  }

  running(signal?: AbortSignal): Promise<boolean> {
    return this.#stdin.poll(signal);
  }

  /** Stops the script that runs, if one does. SCRIPT_FAILED when it does not stop within 5 s. */
  async stop(signal?: AbortSignal): Promise<void> {
    if (!(await this.#retrying(() => this.running(signal)))) return;
    const until = this.#session.clock.now() + STOP_MS;
    while (await this.#retrying(() => this.running(signal))) {
      if (this.#session.clock.now() > until) {
        throw new BridgeError(
          'SCRIPT_FAILED',
          `The camera's script did not stop within ${STOP_MS / 1000} s. Press the camera's reset button.`,
        );
      }
      await this.#retrying(() => this.#stdin.ioctl(StdinIoctl.STOP, undefined, signal));
      await pause(POLL_MS, signal, this.#session.clock);
    }
    await pause(REBOOT_GRACE_MS, signal, this.#session.clock);
  }

  /** Scripts that were started, or may have been. */
  sent = 0;

  /**
   * Stops what runs, uploads `script` and starts it once; resolves when it has started. SCRIPT_FAILED with `unknown` in
   * its context: it cannot be known whether it was started, because neither the answer nor a sign of it came.
   */
  async exec(script: string, signal?: AbortSignal): Promise<void> {
    const bytes = new TextEncoder().encode(await scriptText(script));
    if (bytes.length === 0 || bytes.length > MAX_SCRIPT_BYTES) {
      throw new BridgeError(
        'OPTION_INVALID',
        `A script has 1 to ${MAX_SCRIPT_BYTES} bytes, this one ${bytes.length}.`,
      );
    }
    for (let attempt = 1; ; attempt++) {
      await this.stop(signal);
      if ((await this.#upload(bytes, signal)) && (await this.#start(signal))) return;
      if (attempt >= UPLOADS) {
        throw new BridgeError('SCRIPT_FAILED', 'The script could not be sent to the camera whole.');
      }
    }
  }

  /** false: the interpreter restarted, or the link began again, before all of it was there. */
  async #upload(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    const { reboots } = this.#session;
    try {
      await this.#stdin.ioctl(StdinIoctl.RESET, undefined, signal);
      await this.#stdin.write(bytes, 0, signal);
    } catch (error) {
      if (signal?.aborted || !isPassing(error)) throw error;
      return false;
    }
    return this.#session.reboots === reboots;
  }

  /**
   * EXEC starts the script at once, also when its answer is lost. The camera keeps the script that was uploaded until it
   * has run to its end: when nothing shows that it has started and nothing runs, EXEC without an upload is carried out
   * if the first one was not, and refused if it was. false: the first one was refused, because what was uploaded is gone.
   */
  async #start(signal: AbortSignal | undefined): Promise<boolean> {
    const { reboots } = this.#session;
    let started = false;
    const stopListening = this.#session.onEvent(({ channelId, event }) => {
      if (channelId === ChannelId.STDIN && event === StdinEvent.STARTED) started = true;
    });
    const shown = (): boolean => started || this.#session.reboots !== reboots;
    const notKnown = (error: unknown): boolean => {
      if (signal?.aborted || !isPassing(error)) throw error;
      return false;
    };
    this.sent++;
    try {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        try {
          await this.#stdin.ioctl(StdinIoctl.EXEC, undefined, signal);
        } catch (error) {
          const refused = error instanceof BridgeError && error.code === 'CAMERA_REFUSED';
          if (refused) return attempt > 1;
          notKnown(error);
        }
        const until = this.#session.clock.now() + START_MS;
        while (this.#session.clock.now() < until) {
          // A short script may have come to its end, with the restart that follows, before it was seen to run.
          if (shown() || (await this.running(signal).catch(notKnown)) || shown()) return true;
          await pause(POLL_MS, signal, this.#session.clock);
        }
      }
    } finally {
      stopListening();
    }
    throw new BridgeError(
      'SCRIPT_FAILED',
      'The camera did not confirm that the script was started: it may have run, and it was not sent again. Look at what it does, or prints, before you run it again.',
      { context: { unknown: true } },
    );
  }

  /** Repeats what a restart of the interpreter, or of the link, interrupted. */
  async #retrying<T>(action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        if (!isPassing(error) || attempt >= ATTEMPTS) throw error;
      }
    }
  }
}

/** The request was lost with its session, not refused. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof BridgeError &&
    (error.code === 'CAMERA_REBOOTED' || error.code === 'CAMERA_SILENT' || error.code === 'CAMERA_PROTOCOL')
  );
}

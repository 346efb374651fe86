/** Why a pipeline ended, in GStreamer's own words: what gst-launch-1.0 and the log of its caps say on stderr. */

import { BridgeError } from '../errors.js';

export const PROGRAM = 'gst-launch-1.0';
/** Debian's. */
export const PACKAGE_NAMES = [
  'gstreamer1.0-tools',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
] as const;
const PACKAGES = `${PACKAGE_NAMES.slice(0, -1).join(', ')} and ${PACKAGE_NAMES.at(-1)}`;
/** Makes GStreamer's log say which caps (the forms of frames) were offered and refused; nothing else tells that. */
export const CAPS_LOG = 'GST_CAPS:5';

const MAX_LINE = 65_536;
const MAX_OUTPUT = 2_000;
const MAX_CAPS = 500;

const LOGGED = /\bGST_CAPS\b/;
/** The end of our own elements, from which the user's get frames. */
const OFFERED = /<matroskademux0:video_0>\S* src caps (.*)/;
const TAKEN = /<[^>]*:sink>\S* sink caps (.*)/;
const REFUSED = /<([^>]+)>\S* caps (.*) not accepted/;
/** What the source says whenever anything behind it fails. */
const GENERIC = /Internal data (?:stream|flow) error/;
const UNFIT = /reason not-(?:negotiated|linked)/;

export class LastWords {
  #line = '';
  #output = '';
  #offered: string | undefined;
  #taken: string | undefined;
  #refused: string | undefined;
  #next = false;

  /** A piece of stderr. */
  push(chunk: Uint8Array): void {
    const lines = (this.#line + Buffer.from(chunk).toString()).split('\n');
    this.#line = lines.pop()!.slice(0, MAX_LINE);
    for (const line of lines) this.#read(line);
  }

  /** The pipeline cannot work with frames of this kind. */
  get unfit(): boolean {
    return this.#special === undefined && UNFIT.test(this.#all);
  }

  /** Why the pipeline `text` ended; `cause`: what is known beside that. UNSUPPORTED: something is not installed. */
  failure(text: string, cause: unknown): BridgeError {
    const output = this.#all;
    const fail = (code: 'UNSUPPORTED' | 'OPTION_INVALID', message: string): BridgeError =>
      new BridgeError(code, message, { context: { pipeline: text, output }, cause });
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      return fail('UNSUPPORTED', `There is no ${PROGRAM} here. Install the packages ${PACKAGES}.`);
    }
    const element = /no element "([^"]+)"/.exec(output)?.[1];
    if (element !== undefined) {
      return fail(
        'UNSUPPORTED',
        `GStreamer has no element "${element}". Install the package it is in (the packages ${PACKAGES}; x264enc is in gstreamer1.0-plugins-ugly), or correct the pipeline.`,
      );
    }
    const why = this.#reason ?? String(cause ?? (output || 'it gave no reason'));
    return fail('OPTION_INVALID', `The GStreamer pipeline ended: ${why} (${text})`);
  }

  /** What it wrote last, without the log of its caps. */
  get #all(): string {
    return (this.#output + this.#line).trim();
  }

  get #reason(): string | undefined {
    if (this.#special !== undefined) return this.#special;
    const stopped = /^streaming stopped, (reason .*)/m.exec(this.#all)?.[0];
    if (!this.unfit) return stopped ?? /ERROR: (.*)/.exec(this.#all)?.[1];
    const linking = /^failed delayed linking .*/m.exec(this.#all)?.[0];
    const unlinked = this.#taken && `they are ${this.#offered}, and it takes ${this.#taken}`;
    const forms = stopped?.includes('not-linked') ? unlinked : this.#refused;
    const words = [linking, stopped].filter((one) => one !== undefined).join('; ');
    return `it does not take these frames${forms === undefined ? '' : `: ${forms}`}. GStreamer's last words: ${words}`;
  }

  /** An error that says more than that there was one. */
  get #special(): string | undefined {
    const errors = [...this.#all.matchAll(/ERROR: (from element .*)/g)].map(([, words]) => words!);
    return errors.find((words) => !GENERIC.test(words)) ?? /erroneous pipeline: (.*)/.exec(this.#all)?.[1];
  }

  #read(line: string): void {
    if (!LOGGED.test(line)) {
      this.#output = `${this.#output}${line}\n`.slice(-MAX_OUTPUT);
      return;
    }
    const offered = OFFERED.exec(line)?.[1];
    // The other end of that link is what the next line is about.
    if (this.#next) this.#taken = short(TAKEN.exec(line)?.[1]) ?? this.#taken;
    this.#next = offered !== undefined;
    this.#offered = short(offered) ?? this.#offered;
    const refused = REFUSED.exec(line);
    if (refused) this.#refused = `${refused[1]}, caps ${short(refused[2])} not accepted`;
  }
}

function short(caps: string | undefined): string | undefined {
  return caps !== undefined && caps.length > MAX_CAPS ? `${caps.slice(0, MAX_CAPS)} ...` : caps;
}

/** A video file out of frames: Matroska by itself; other formats by ffmpeg or GStreamer, whichever is there. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { BridgeError } from '../errors.js';
import { fileFailure } from '../files.js';
import { type GstFrame, MatroskaStream } from './matroska.js';

const WHAT = 'The video cannot be written';
/** What is said of a failure: the last of what the program said. */
const MOST_WORDS = 2_000;

type Format = { readonly ffmpeg: readonly string[]; readonly gst: readonly string[] };
const FORMATS: Readonly<Record<string, Format>> = {
  // The frames themselves, as they came.
  '.avi': { ffmpeg: ['-c:v', 'copy'], gst: ['!', 'image/jpeg', '!', 'avimux'] },
  '.mp4': {
    ffmpeg: ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'],
    gst: ['!', 'jpegdec', '!', 'videoconvert', '!', 'x264enc', '!', 'mp4mux'],
  },
};

/** Names of files that are videos end so. */
export const VIDEO_EXTENSIONS = ['.mkv', ...Object.keys(FORMATS)];

const isThere = (command: string): boolean => spawnSync(command, ['-version']).error === undefined;

export class VideoFile {
  readonly #path: string;
  readonly #out: Writable;
  readonly #child: ChildProcess | undefined;
  readonly #stream = new MatroskaStream();
  #words = '';
  #failure: unknown;

  private constructor(path: string, out: Writable, child: ChildProcess | undefined) {
    this.#path = path;
    this.#out = out;
    this.#child = child;
    out.on('error', (error) => (this.#failure ??= error));
    child?.on('error', (error) => (this.#failure ??= error));
    child?.stderr?.on('data', (text: Buffer) => {
      this.#words = (this.#words + text.toString()).slice(-MOST_WORDS);
    });
  }

  /** The format goes by the path's end. UNSUPPORTED: neither program is there. */
  static open(path: string): VideoFile {
    const extension = extname(path).toLowerCase();
    if (extension === '.mkv') return new VideoFile(path, createWriteStream(path), undefined);
    const format = FORMATS[extension]!;
    const [command, words] = program(path, format);
    const child = spawn(command, words, { stdio: ['pipe', 'ignore', 'pipe'] });
    return new VideoFile(path, child.stdin, child);
  }

  /** FILE_FAILED: what writes it has ended. */
  async write(frame: GstFrame): Promise<void> {
    await this.#put(this.#stream.push(frame));
  }

  /** Finishes the file. FILE_FAILED. */
  async close(): Promise<void> {
    await this.#put(this.#stream.begin());
    const ended = this.#child && once(this.#child, 'close');
    this.#out.end();
    await finished(this.#out).catch((error: unknown) => (this.#failure ??= error));
    const [code] = (await ended?.catch(() => [1])) ?? [0];
    if (code !== 0 || this.#failure !== undefined) throw await this.#failed();
  }

  async #put(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#failure !== undefined) throw await this.#failed();
      if (!this.#out.write(piece)) await this.#room();
    }
  }

  /** Until it takes more, or nothing any more. */
  #room(): Promise<void> {
    return new Promise((settle) => {
      const done = (): void => {
        this.#out.off('drain', done).off('close', done);
        settle();
      };
      this.#out.on('drain', done).on('close', done);
    });
  }

  async #failed(): Promise<BridgeError> {
    if (!this.#child) return fileFailure(WHAT, this.#path, this.#failure);
    const said = this.#words.trim().split('\n').slice(-3).join(' ');
    return new BridgeError(
      'FILE_FAILED',
      `${WHAT} to ${this.#path}: ${this.#child.spawnfile} ended: ${said}`,
      {
        context: { path: this.#path },
        cause: this.#failure,
      },
    );
  }
}

/** The program that makes the file out of a Matroska stream on its stdin. */
function program(path: string, { ffmpeg, gst }: Format): [command: string, words: string[]] {
  const target = resolve(path);
  if (isThere('ffmpeg')) {
    return ['ffmpeg', ['-loglevel', 'error', '-y', '-f', 'matroska', '-i', '-', ...ffmpeg, target]];
  }
  if (isThere('gst-launch-1.0')) {
    const source = ['-q', 'fdsrc', 'fd=0', '!', 'matroskademux'];
    return ['gst-launch-1.0', [...source, ...gst, '!', 'filesink', `location=${target}`]];
  }
  throw new BridgeError(
    'UNSUPPORTED',
    `For ${extname(path)} ffmpeg or GStreamer is needed, and neither is there. Install one of them (apt-get install ffmpeg), or export to .mkv, which needs none.`,
  );
}

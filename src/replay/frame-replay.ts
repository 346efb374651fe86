/** The frames of one camera in a recording that has no bytes of a line, one after the other. */
import { BridgeError } from '../errors.js';
import { checkJpeg } from '../jpeg.js';
import { FrameLine, type RecordedCamera } from './frame-line.js';
import { isMcap, lineIn, type RecordedMessage, readMcap, topicsOf } from './mcap.js';
import { jpegOf } from './recorded-frames.js';

/** A frame with what its JSON line in the recording says of it. */
export interface ReplayedFrame {
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Unix milliseconds at which it was complete on the host, then. */
  readonly timestampMs: number;
  readonly capturedAtMs: number | undefined;
  readonly capturedErrorMs: number | undefined;
  readonly triggerId: number | undefined;
  readonly data: unknown;
}

/** What is used of the JSON lines among the events. */
interface EventLine {
  readonly type?: unknown;
  readonly protocolVersion?: string;
  readonly firmwareVersion?: string;
  readonly capturedAtMs?: number;
  readonly capturedErrorMs?: number;
  readonly triggerId?: number;
  readonly data?: unknown;
}

const KINDS = new Set(['frame', 'event']);

export class FrameReplay {
  readonly cameraId: string;
  readonly speed: number | 'max';
  readonly #path: string;
  readonly #messages: AsyncGenerator<RecordedMessage>;
  readonly #connected: EventLine | undefined;
  #line: FrameLine | undefined;
  /** Read, and not told of yet: what its JSON line says may come behind it. */
  #ahead: RecordedMessage | undefined;

  private constructor(path: string, cameraId: string, speed: number | 'max', parts: Beginning) {
    this.#path = path;
    this.cameraId = cameraId;
    this.speed = speed;
    this.#messages = parts.messages;
    this.#connected = parts.connected;
    this.#ahead = parts.first;
  }

  /**
   * Undefined: the recording has the bytes of a line, or no frames. `cameraId`: which camera, where there are several.
   * OPTION_INVALID: it is not said which; FILE_FAILED.
   */
  static async open(
    path: string,
    { speed, cameraId }: { readonly speed: number | 'max'; readonly cameraId?: string | undefined },
  ): Promise<FrameReplay | undefined> {
    if (!(await isMcap(path))) return undefined;
    const topics = (await topicsOf(path)).map((topic) => topic.split('/').slice(1));
    if (topics.some(([, kind]) => kind === 'wire')) return undefined;
    const cameras = [...new Set(topics.flatMap(([id = '', kind]) => (kind === 'frame' ? [id] : [])))].sort();
    const [only] = cameras;
    if (only === undefined) return undefined;
    const chosen = cameras.length === 1 ? only : cameras.find((id) => id === cameraId);
    if (chosen === undefined) {
      throw new BridgeError(
        'OPTION_INVALID',
        `${path} has frames of several cameras: ${cameras.join(', ')}. Give the id of the one to be replayed.`,
        { context: { path, cameras, options: ['cameraId'] } },
      );
    }
    return new FrameReplay(path, chosen, speed, await beginning(path, chosen));
  }

  /** A line to the camera, which answers who it was. */
  connect(): FrameLine {
    const { protocolVersion, firmwareVersion } = this.#connected ?? {};
    const camera: RecordedCamera = { cameraId: this.cameraId, protocolVersion, firmwareVersion };
    this.#line = new FrameLine(this.#path, camera);
    return this.#line;
  }

  /** The next frame; undefined: there is none. OPTION_INVALID: the file is damaged; FILE_FAILED. */
  async next(): Promise<ReplayedFrame | undefined> {
    for (;;) {
      const message = this.#ahead ?? (await this.#read((one) => one.kind === 'frame'));
      this.#ahead = undefined;
      if (!message) return undefined;
      const behind = await this.#read((one) => one.kind === 'frame' || isLineOf(one, message.sequence));
      const line = behind?.kind === 'event' ? eventOf(behind) : undefined;
      if (!line) this.#ahead = behind;
      const jpeg = jpegOf(message);
      const check = checkJpeg(jpeg);
      if ('problem' in check) continue;
      const { width, height } = check.header;
      return {
        ...{ jpeg, width, height, timestampMs: message.logMs, capturedAtMs: line?.capturedAtMs },
        ...{ capturedErrorMs: line?.capturedErrorMs, triggerId: line?.triggerId, data: line?.data },
      };
    }
  }

  /** All frames were given: the line ends. */
  end(): void {
    this.#line?.end(endedError(this.#path));
  }

  /** Frees the file. Idempotent. */
  async close(): Promise<void> {
    await this.#line?.close();
    await this.#messages.return(undefined);
  }

  #read(wanted: (message: RecordedMessage) => boolean): Promise<RecordedMessage | undefined> {
    return nextOf(this.#messages, this.cameraId, wanted);
  }
}

export const endedError = (path: string): BridgeError =>
  new BridgeError('RECORDING_ENDED', `The recording ${path} has ended.`, { context: { path } });

interface Beginning {
  readonly messages: AsyncGenerator<RecordedMessage>;
  readonly connected: EventLine | undefined;
  readonly first: RecordedMessage | undefined;
}

/** Up to the first frame: the camera says who it is before that. */
async function beginning(path: string, cameraId: string): Promise<Beginning> {
  const messages = readMcap(path, KINDS);
  let connected: EventLine | undefined;
  const first = await nextOf(messages, cameraId, (message) => {
    if (message.kind === 'frame') return true;
    const line = eventOf(message);
    if (line.type === 'connected') connected = line;
    return false;
  });
  return { messages, connected, first };
}

async function nextOf(
  messages: AsyncGenerator<RecordedMessage>,
  cameraId: string,
  wanted: (message: RecordedMessage) => boolean,
): Promise<RecordedMessage | undefined> {
  for (;;) {
    const { value, done } = await messages.next();
    if (done) return undefined;
    if (value.cameraId === cameraId && wanted(value)) return value;
  }
}

const eventOf = (message: RecordedMessage): EventLine => lineIn(message);

/** Whether it is the JSON line of that frame: an event that tells of a frame may be about its outcome as well. */
const isLineOf = (message: RecordedMessage, sequence: number): boolean =>
  message.kind === 'event' && message.sequence === sequence && eventOf(message).type === 'frame';

/** A camera: connection, identity, channels, scripts, output, statistics. */
import { type Observable, Subject } from 'rxjs';
import { type Clock, realClock } from '../async.js';
import { BridgeError } from '../errors.js';
import {
  type ByteStream,
  type LineTap,
  LinkDriver,
  type LinkStats,
  type LossReason,
  tapped,
} from '../link/index.js';
import {
  type CameraInput,
  type CameraOptions,
  cameraOptionsSchema,
  expectRecording,
  parseOptions,
} from '../options/index.js';
import {
  type Capabilities,
  type ChannelEntry,
  type DeviceStats,
  decodeIoRequest,
  decodeMemory,
  decodeStats,
  decodeSystemInfo,
  decodeVersion,
  type MemoryEntry,
  Opcode,
  type SystemInfo,
  type VersionInfo,
} from '../protocol/index.js';
import { type Replay, type ReplayedLine, replayOf } from '../replay/index.js';
import { Channel } from './channel.js';
import { CameraControls } from './controls.js';
import { closingWith, openStream } from './open-stream.js';
import { expectReply } from './outcome.js';
import { drained, type RunOptions, runScript } from './run-script.js';
import { Scripts } from './script.js';
import { Session } from './session.js';
import { StdoutReader } from './stdout.js';

/** What a camera says of itself. */
export interface CameraInfo {
  readonly cameraId: string;
  readonly port: string;
  readonly version: VersionInfo;
  readonly system: SystemInfo;
  /** The link settings in force. */
  readonly link: Capabilities;
}

/** What happens to a camera while it is connected. */
export type CameraEvent =
  /** The link was synchronised again; requests under way were repeated or failed. */
  | { readonly type: 'resynced'; readonly reason: LossReason }
  /** The camera's interpreter restarted: its script's channels are gone. */
  | { readonly type: 'rebooted' }
  /** The last event: the line is over. Without an error `close()` was called. */
  | { readonly type: 'disconnected'; readonly error?: BridgeError };

export class Camera {
  readonly options: CameraOptions;
  readonly #stream: ByteStream;
  readonly #port: string;
  readonly #driver: LinkDriver;
  readonly #session: Session;
  readonly #scripts: Scripts;
  /** Settings of the sensor, for scripts with a control channel. */
  readonly controls: CameraControls;
  readonly #stdout: StdoutReader;
  readonly #stdout$ = new Subject<string>();
  readonly #events$ = new Subject<CameraEvent>();
  /** Resolves when the line is over: to the reason, or to undefined after `close()`. */
  readonly ended: Promise<BridgeError | undefined>;
  #info: CameraInfo | undefined;
  #lost: BridgeError | undefined;

  /** Use `connectCamera`. */
  constructor(stream: ByteStream, port: string, options: CameraOptions, clock = realClock) {
    this.options = options;
    this.#stream = stream;
    this.#port = port;
    let end: (error: BridgeError | undefined) => void = () => undefined;
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    const wanted = {
      crc: options.crc,
      sequence: true,
      ack: options.ack === 'auto' ? stream.kind === 'uart' : options.ack === 'on',
      events: true,
      maxPayload: options.maxPayload,
    };
    this.#driver = new LinkDriver(
      stream,
      { wanted },
      {
        event: (channel, event) => {
          this.#session.take(channel, event);
        },
        resynced: (reason) => {
          this.#session.invalidate();
          this.#events$.next(reason === 'reboot' ? { type: 'rebooted' } : { type: 'resynced', reason });
        },
        closed: (error) => {
          this.#lost = error;
          this.#stdout.close();
          this.#stdout$.complete();
          this.#events$.next(error ? { type: 'disconnected', error } : { type: 'disconnected' });
          this.#events$.complete();
          end(error);
        },
      },
      clock,
    );
    this.#session = new Session(this.#driver);
    this.#scripts = new Scripts(this.#session);
    this.controls = new CameraControls(this.#session);
    this.#stdout = new StdoutReader(this.#session, (text) => {
      this.#stdout$.next(text);
    });
  }

  /** Synchronises, negotiates and asks the camera who it is. Called by `connectCamera`. */
  async open(): Promise<void> {
    const link = await this.#driver.connect();
    const version = decodeVersion(await this.#ask(Opcode.PROTO_VERSION));
    const system = decodeSystemInfo(await this.#ask(Opcode.SYS_INFO));
    const unique = system.deviceId.map((word) => word.toString(16).padStart(8, '0')).join('');
    const cameraId = this.options.cameraId ?? unique;
    this.#info = { cameraId, port: this.#port, version, system, link };
    void this.#stdout.drain();
  }

  /**
   * It is a recording: requests that others than its bridge made when it was recorded are made again, and there is no
   * camera to take new ones. @internal
   */
  replayed(replay: Replay): void {
    this.#session.recorded = true;
    this.#session.framesOnly = replay.frames !== undefined;
    replay.attach(({ opcode, channel }, payload) => {
      const read = opcode === Opcode.CHANNEL_READ;
      const destination = read ? new Uint8Array(decodeIoRequest(payload).length) : undefined;
      void this.#session.request(opcode, channel, payload, { destination });
    });
  }

  /** `cameraId` option, or the camera's unique id: 24 hexadecimal digits. */
  get id(): string {
    return this.info().cameraId;
  }

  /** Identity, versions and link settings, read while connecting. */
  info(): CameraInfo {
    if (!this.#info) throw new BridgeError('PORT_CLOSED', 'The camera is not connected yet.');
    return { ...this.#info, link: this.#driver.caps };
  }

  /** Whether requests can be made. */
  get connected(): boolean {
    return this.#driver.open;
  }

  /** What waits for the camera are measured with. */
  get clock(): Clock {
    return this.#driver.clock;
  }

  /** Why the line ended; undefined while it has not, and after `close()`. */
  get lost(): BridgeError | undefined {
    return this.#lost;
  }

  /** The kind of line the camera is on. */
  get line(): ByteStream['kind'] {
    return this.#stream.kind;
  }

  /** The channels the camera has now, those of its script included. */
  channels(signal?: AbortSignal): Promise<readonly ChannelEntry[]> {
    return this.#session.channels(signal);
  }

  /** The channel table is read again when it is next needed. */
  forgetChannels(): void {
    this.#session.invalidate();
  }

  /** A handle to the channel of that name, which need not exist yet. */
  channel(name: string): Channel {
    return new Channel(name, this.#session);
  }

  /** Stops what runs, uploads `script` and starts it. OPTION_INVALID, SCRIPT_FAILED, CAMERA_*, PORT_CLOSED. */
  exec(script: string, signal?: AbortSignal): Promise<void> {
    return this.#scripts.exec(script, signal);
  }

  /**
   * Runs a script to its end: resolves to what it printed (the last 1,048,576 characters), without the firmware's banner
   * and prompt. SCRIPT_EXCEPTION: an exception ended it, as when `camera.stop()` does; `context` has `exception`, `traceback`
   * and `output`. Otherwise ends as `exec` does.
   */
  run(script: string, options: RunOptions = {}): Promise<string> {
    const parts = {
      session: this.#session,
      scripts: this.#scripts,
      stdout: this.#stdout,
      stdout$: this.#stdout$,
    };
    return runScript(parts, script, options);
  }

  /** Resolves when `stdout$` has had all that was printed: the camera has nothing left to read. */
  drained(signal?: AbortSignal): Promise<void> {
    return drained({ session: this.#session, stdout: this.#stdout }, signal);
  }

  /** Stops the script that runs. */
  stop(signal?: AbortSignal): Promise<void> {
    return this.#scripts.stop(signal);
  }

  /** Whether a script runs. */
  running(signal?: AbortSignal): Promise<boolean> {
    return this.#scripts.running(signal);
  }

  /** What the camera's script prints, in pieces of any length; completes when the line is over. */
  get stdout$(): Observable<string> {
    return this.#stdout$.asObservable();
  }

  /** Ends with `disconnected`. */
  get events$(): Observable<CameraEvent> {
    return this.#events$.asObservable();
  }

  /** Events of all channels, numbered as the camera numbers them; returns how to stop. */
  onChannelEvent(listener: (event: { channelId: number; event: number }) => void): () => void {
    return this.#session.onEvent(listener);
  }

  /** Goes up whenever the link synchronises again: what was learnt before need not be true any more. */
  get session(): number {
    return this.#driver.session;
  }

  /** Goes up whenever channel ids may have changed. */
  get generation(): number {
    return this.#session.generation;
  }

  /** Goes up whenever a script may have started again: the interpreter restarted, or one was sent. */
  get restarts(): number {
    return this.#session.reboots + this.#scripts.sent;
  }

  /** Counters of this end of the link. */
  stats(): LinkStats {
    return this.#driver.stats;
  }

  /** Counters of the camera's end of the link. */
  async deviceStats(): Promise<DeviceStats> {
    return decodeStats(await this.#ask(Opcode.PROTO_STATS));
  }

  /** The camera's memory pools. */
  async memory(): Promise<MemoryEntry[]> {
    return decodeMemory(await this.#ask(Opcode.SYS_MEMORY));
  }

  /** Restarts the camera, or its bootloader; the line ends soon after. */
  async reset(kind: 'reset' | 'bootloader' = 'reset'): Promise<void> {
    const opcode = kind === 'reset' ? Opcode.SYS_RESET : Opcode.SYS_BOOT;
    await this.#session.request(opcode, 0, undefined, { silent: true });
  }

  /** Closes the line; requests under way fail with PORT_CLOSED. Idempotent. */
  close(): Promise<void> {
    return this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask(opcode: number): Promise<Uint8Array> {
    return expectReply(await this.#session.query(opcode), opcode);
  }
}

/** What a line has beside the options of its camera. */
export interface LineSettings {
  /** Sees all bytes, from the first SYNC on. */
  readonly tap?: LineTap | undefined;
  /** The recording whose lines take the place of the port's. @internal */
  readonly replay?: Replay | undefined;
}

/** What `connectCamera` takes: the options of the camera, and a signal that ends connecting. */
export interface ConnectInput extends CameraInput, LineSettings {
  /** Ends connecting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects to a camera. Ends in PORT_NOT_FOUND, PORT_DENIED, PORT_BUSY, PORT_FAILED, NOT_A_CAMERA, FIRMWARE_TOO_OLD, CAMERA_SILENT,
 * CAMERA_PROTOCOL, OPTION_INVALID, or `signal.reason`; then nothing stays open. Once it has resolved the signal has no
 * effect any more.
 */
export async function connectCamera({
  signal,
  tap,
  replay: given,
  ...input
}: ConnectInput = {}): Promise<Camera> {
  const options = parseOptions(cameraOptionsSchema, input);
  expectRecording([options.port], options);
  signal?.throwIfAborted();
  const own = given ? undefined : replayOf(options);
  const replay = given ?? own;
  const line = await (own ? openAlone(own, signal) : replay?.open(signal));
  const { stream, port } = line ? { ...line, port: options.port } : await openStream(options, signal);
  const agreed = line ? { ...options, ...agreedOn(line, options) } : options;
  const camera = new Camera(tap ? tapped(stream, tap) : stream, port, agreed, line?.clock);
  if (replay) camera.replayed(replay);
  const close = (): void => void camera.close();
  signal?.addEventListener('abort', close);
  try {
    // Aborted between the last wait and the listener.
    signal?.throwIfAborted();
    await camera.open();
    return camera;
  } catch (error) {
    await camera.close();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', close);
  }
}

/** The first connection of a recording that no bridge has: its file is closed with the line. */
async function openAlone(replay: Replay, signal: AbortSignal | undefined): Promise<ReplayedLine> {
  try {
    const line = await replay.open(signal);
    return { ...line, stream: closingWith(line.stream, () => replay.close()) };
  } catch (error) {
    await replay.close();
    throw error;
  }
}

/** What a recording says of its camera, over the options. */
function agreedOn({ link, cameraId }: ReplayedLine, options: CameraOptions): Partial<CameraOptions> {
  return {
    ...(link && { ...link, ack: link.ack ? 'on' : 'off' }),
    cameraId: options.cameraId ?? cameraId,
  };
}

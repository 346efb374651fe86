/**
 * A camera that exists only in this process: a MicroPython interpreter runs a camera's script behind the same
 * wire protocol. What a host can tell from a real one is listed in README.md.
 */
import { asBridgeError, BridgeError } from '../errors.js';
import type { ByteStream } from '../link/index.js';
import { CameraWorker } from './interpreter/camera-worker.js';
import type { CameraFiles, FromWorker } from './interpreter/messages.js';
import type { FaultLog } from './line/fault-log.js';
import { type InjectedFaults, LineFaults, noFaults } from './line/faults.js';
import { HostEnd } from './line/host-end.js';
import type { JsonLinesFile } from './line/json-lines-file.js';
import { createLineMemory, type LineMemory } from './line/line-memory.js';
import { VirtualLine } from './line/virtual-line.js';
import type { VirtualCameraOptions } from './options.js';
import type { PictureSource } from './pictures/picture-source.js';

/** A camera that crashes this often without getting ready is given up. */
const MAX_FAILED_BOOTS = 3;
const NO_TEXT = new Uint8Array(0);

/** Files that a camera writes as it goes. */
export interface CameraRecords {
  readonly ledger: JsonLinesFile | undefined;
  readonly faultLog: FaultLog | undefined;
}

/** With what an interpreter starts: main.py only after power-on, text and a preview only after a soft reboot. */
interface Boot {
  readonly runMain: boolean;
  readonly stdout: Uint8Array;
  readonly preview: boolean;
}

const POWER_ON: Boot = { runMain: true, stdout: NO_TEXT, preview: false };

export class VirtualCamera {
  /** Resolves when the camera answers for the first time. */
  readonly ready: Promise<void>;
  readonly #options: VirtualCameraOptions;
  readonly #pictures: PictureSource;
  readonly #records: CameraRecords;
  readonly #faults: LineFaults | undefined;
  readonly #memory: LineMemory = createLineMemory();
  readonly #host = new HostEnd(this.#memory);
  #worker: CameraWorker | undefined;
  #line: VirtualLine | undefined;
  /** Its file system, as it was at the end of the last script. */
  #files: CameraFiles;
  #captures = 0;
  #failedBoots = 0;
  #failure: BridgeError | undefined;
  #closing: Promise<void> | undefined;
  #pulses: NodeJS.Timeout | undefined;
  /** What the next Worker is to begin with, while the one before it ends. */
  #wanted: Boot | undefined;
  #rebooting: Promise<void> | undefined;
  #settleReady: { resolve(): void; reject(error: BridgeError): void } | undefined;

  /** For `openVirtualCamera`. */
  constructor(options: VirtualCameraOptions, pictures: PictureSource, records: CameraRecords) {
    this.#options = options;
    this.#pictures = pictures;
    this.#records = records;
    const { faultLog } = records;
    this.#faults =
      options.faults &&
      new LineFaults(options.faults.source, {
        broken: (kind) => {
          // Not from within the packet that met the fault.
          setImmediate(() => (kind === 'hangup' ? this.unplug() : this.reset()));
        },
        ...(faultLog && { injected: (fault) => faultLog.fault(fault) }),
      });
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    const { mainScript } = options;
    this.#files = mainScript === undefined ? {} : { 'main.py': new TextEncoder().encode(mainScript) };
    this.#boot(POWER_ON);
    if (options.pulseMs !== undefined) this.#pulse(options.pulseMs);
  }

  /** The board's unique id, as SYS_INFO gives it. */
  get deviceId(): readonly [number, number, number] {
    return this.#options.identity.system.deviceId;
  }

  /** Faults that were put on the line so far. */
  get injected(): InjectedFaults {
    return this.#faults?.injected ?? { toHost: noFaults(), toCamera: noFaults() };
  }

  /**
   * Connects a host, as opening the camera's serial port does. One at a time: PORT_BUSY while another is
   * connected. PORT_CLOSED when the camera was closed or has crashed for good.
   */
  connect(): ByteStream {
    if (this.#closing || this.#failure) {
      const why = this.#failure ? this.#failure.message : 'It was closed.';
      throw new BridgeError('PORT_CLOSED', `The virtual camera is off: ${why}`, { cause: this.#failure });
    }
    if (this.#line) {
      throw new BridgeError(
        'PORT_BUSY',
        'Another host is connected to the virtual camera: close its connection first.',
      );
    }
    const line = new VirtualLine(this.#host, this.#faults, () => {
      this.#line = undefined;
    });
    this.#line = line;
    this.#records.faultLog?.host(this.#faults?.packets ?? { toHost: 0, toCamera: 0 });
    return line;
  }

  /** Breaks the connection as pulling its cable does; the camera runs on and may be connected again. */
  unplug(): void {
    this.#line?.end(
      new BridgeError('PORT_CLOSED', 'The virtual camera was unplugged. Connect it again to go on.'),
    );
  }

  /**
   * Gives a pin a level from outside, as a light barrier does: a script that watches the pin (`Pin.irq`) is told of the edge. Nothing
   * happens where none does.
   */
  pin(name: string, level: 0 | 1): void {
    this.#worker?.post({ type: 'pin', name, level });
    this.#host.signal();
  }

  /** Power off and on again: the connection breaks, main.py runs again. */
  reset(): void {
    if (this.#closing || this.#failure) return;
    this.#line?.end(new BridgeError('PORT_CLOSED', 'The virtual camera was reset. It boots again.'));
    this.#reboot(POWER_ON);
  }

  /**
   * Switches the camera off; resolves when its thread is gone and nothing is left. Idempotent. FILE_FAILED when
   * the ledger or the fault log could not be written.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** High and low again, every `ms`. */
  #pulse(ms: number): void {
    let level: 0 | 1 = 0;
    this.#pulses = setInterval(() => {
      level = level === 0 ? 1 : 0;
      this.pin('*', level);
    }, ms / 2).unref();
  }

  async #close(): Promise<void> {
    clearInterval(this.#pulses);
    this.#line?.end(new BridgeError('PORT_CLOSED', 'The virtual camera was switched off.'));
    this.#settleReady?.reject(new BridgeError('PORT_CLOSED', 'The virtual camera was switched off.'));
    this.#host.close();
    await this.#endWorker();
    await this.#rebooting;
    await this.#pictures.idle();
    try {
      this.#records.ledger?.close();
    } finally {
      this.#records.faultLog?.close();
    }
  }

  #boot({ runMain, stdout, preview }: Boot): void {
    const { identity, maxPayload, fps, compressMs, onCapture } = this.#options;
    // The Worker before this one may have tried to wake the main thread without effect.
    this.#host.awake();
    const setup = {
      line: this.#memory,
      identity,
      maxPayload,
      files: this.#files,
      runMain,
      stdout,
      preview,
      fps,
      compressMs,
      captures: this.#captures,
      pictureCount: this.#pictures.count,
      ledger: onCapture !== undefined || this.#records.ledger !== undefined,
    };
    const worker = new CameraWorker(setup, () => this.#host.awake(), {
      message: (message) => this.#take(worker, message),
      awake: (to) => this.#deliver(to),
      died: (error) => this.#crashed(error),
    });
    this.#worker = worker;
  }

  #deliver(to: number): void {
    if (this.#line) this.#line.deliver(to);
    else this.#host.read(to, () => true);
  }

  #take(worker: CameraWorker, message: Exclude<FromWorker, 0>): void {
    switch (message.type) {
      case 'ready':
        this.#failedBoots = 0;
        this.#settleReady?.resolve();
        return;
      case 'picture':
        this.#give(worker, message.id, this.#pictures.draw(message.spec, message.index));
        return;
      case 'encode':
        this.#give(
          worker,
          message.id,
          this.#pictures.encode(message.pixels, message.quality, message.fullChroma),
        );
        return;
      case 'capture':
        this.#captures = message.capture.frame;
        this.#records.ledger?.add(message.capture);
        this.#options.onCapture?.(message.capture);
        return;
      case 'files':
        this.#files = message.files;
        return;
      case 'soft-reboot':
        this.#captures = message.captures;
        this.#deliver(this.#host.awake());
        this.#reboot({ runMain: false, stdout: message.stdout, preview: message.preview });
        return;
      case 'reset':
        this.#captures = message.captures;
        this.reset();
        return;
      case 'failed':
        this.#crashed(new BridgeError('INTERNAL', `The virtual camera has failed: ${message.message}`));
        return;
    }
  }

  #give(worker: CameraWorker, id: number, picture: Promise<Uint8Array>): void {
    picture.then(
      (bytes) => this.#answer(worker, { type: 'picture', id, bytes }),
      (error: unknown) => this.#answer(worker, { type: 'picture-failed', id, message: String(error) }),
    );
  }

  #answer(worker: CameraWorker, message: Parameters<CameraWorker['post']>[0]): void {
    if (worker !== this.#worker) return;
    worker.post(message);
    this.#host.signal();
  }

  /** Ends the present Worker and starts the next one; what the host has sent meanwhile waits on the line. */
  #reboot(boot: Boot): void {
    this.#wanted = boot;
    this.#rebooting ??= this.#runReboot().finally(() => {
      this.#rebooting = undefined;
    });
  }

  async #runReboot(): Promise<void> {
    await this.#endWorker();
    const boot = this.#wanted;
    this.#wanted = undefined;
    if (this.#closing || !boot) return;
    try {
      this.#boot(boot);
    } catch (error) {
      this.#giveUp(asBridgeError(error));
    }
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.end();
  }

  /** A crash looks to the host like a board that resets itself. */
  #crashed(error: BridgeError): void {
    if (this.#closing) return;
    if (++this.#failedBoots >= MAX_FAILED_BOOTS) this.#giveUp(error);
    this.#line?.end(new BridgeError('PORT_CLOSED', error.message, { cause: error }));
    if (!this.#failure) this.#reboot(POWER_ON);
  }

  #giveUp(error: BridgeError): void {
    this.#failure = error;
    this.#settleReady?.reject(error);
    this.#line?.end(new BridgeError('PORT_CLOSED', error.message, { cause: error }));
  }
}

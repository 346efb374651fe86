/**
 * A camera that is found and opened again after it was unplugged, reset, given another ttyACM number, or fell silent. It
 * is recognised by its USB serial number, by its name under /dev/serial/by-id, or else by the path that was given.
 */
import { realpath } from 'node:fs/promises';
import { pause } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type CameraOptions, recordingOf } from '../options/index.js';
import { listPorts, type PortInfo } from '../port/index.js';
import { type Camera, connectCamera, type LineSettings } from './camera.js';

/** The wait before the first attempt; it doubles up to the longest. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** Each wait is between this part of it and all of it: several cameras on one hub do not come back in step. */
const LEAST_PART = 0.5;

/** Errors that may pass by themselves while a camera is away. The others need a person. */
const PASSING = new Set([
  'PORT_NOT_FOUND',
  'PORT_DENIED', // udev sets a new node's group a moment after it has appeared
  'PORT_BUSY',
  'PORT_FAILED',
  'PORT_CLOSED',
  'NOT_A_CAMERA',
  'CAMERA_SILENT',
  'CAMERA_PROTOCOL',
  'CAMERA_REFUSED',
  'CAMERA_REBOOTED',
]);

/** Of these, what a camera that has never been there does not get over: its port is a wrong one. */
const WRONG_PORT = new Set(['PORT_FAILED', 'NOT_A_CAMERA']);

/** Whether a camera that ended in this error may come back without help. */
export const mayPass = (error: BridgeError): boolean => PASSING.has(error.code);

/** Whether a camera that could not be connected in the first place may come without help. */
export const mayCome = (error: BridgeError): boolean => mayPass(error) && !WRONG_PORT.has(error.code);

type ListPorts = (options: { readonly signal: AbortSignal }) => Promise<PortInfo[]>;

export interface Attempts {
  /** Attempts in a row that may fail. */
  readonly attempts: number;
  readonly signal: AbortSignal;
  /** Told of each attempt that failed and is followed by another. */
  failed(error: BridgeError): void;
}

export class ReconnectingCamera {
  readonly #options: CameraOptions;
  readonly #list: ListPorts;
  readonly #line: LineSettings;
  #identity: PortInfo | undefined;
  #camera: Camera | undefined;
  /** Virtual cameras so far: each connection to `virtual` switches a new one on. */
  #lives = 0;

  /** `list`: how ports are found; `line`: of each connection. */
  constructor(options: CameraOptions, list: ListPorts = listPorts, line: LineSettings = {}) {
    this.#options = options;
    this.#list = list;
    this.#line = line;
  }

  /** The camera as it is now; another object after each reconnection. PORT_CLOSED before the first connection. */
  get camera(): Camera {
    if (this.#camera) return this.#camera;
    throw new BridgeError('PORT_CLOSED', 'The camera is not connected yet.');
  }

  /** Whether there has been a connection. */
  get known(): boolean {
    return this.#camera !== undefined;
  }

  /** Connects for the first time. The errors of `connectCamera`. */
  async connect(signal: AbortSignal): Promise<Camera> {
    const camera = await this.#open(this.#options.port, signal);
    try {
      this.#identity = await identify(camera.info().port, this.#list, signal);
    } catch (error) {
      await camera.close();
      throw error;
    }
    this.#camera = camera;
    return camera;
  }

  /** The same, tried until the camera is there. Ends as `reconnect` does. */
  async waitFor(attempts: Attempts): Promise<Camera> {
    return retry(attempts, mayCome, () => this.connect(attempts.signal));
  }

  /**
   * Waits and tries until the camera is back. Ends in the last attempt's error when all have failed, in one that no
   * waiting can help, or in `signal.reason`.
   */
  async reconnect(attempts: Attempts): Promise<Camera> {
    await this.camera.close();
    return retry(attempts, mayPass, () => this.#reopen(attempts.signal));
  }

  async #reopen(signal: AbortSignal): Promise<Camera> {
    const last = this.camera;
    const camera = await this.#open(await this.#findPort(signal), signal);
    const before = last.info();
    const now = camera.info();
    if (before.system.deviceId.join() !== now.system.deviceId.join()) {
      await camera.close();
      throw new BridgeError(
        'NOT_A_CAMERA',
        `Another camera is on ${now.port} now. Plug the one with the id ${before.cameraId} in again, or restart the bridge.`,
        { context: { expected: before.system.deviceId, found: now.system.deviceId } },
      );
    }
    camera.controls.takeOver(last.controls);
    this.#camera = camera;
    return camera;
  }

  #open(port: string, signal: AbortSignal): Promise<Camera> {
    this.#lives++;
    const { virtual } = this.#options;
    // Each life of a virtual camera draws other faults.
    const next = port === 'virtual' && this.#lives > 1 ? { ...virtual, life: this.#lives } : virtual;
    return connectCamera({ ...this.#options, ...this.#line, port, virtual: next, signal });
  }

  /** Where the camera is now, as far as its identity tells; else where it was. */
  async #findPort(signal: AbortSignal): Promise<string> {
    const identity = this.#identity;
    if (!identity) return this.#options.port;
    const ports = await this.#list({ signal });
    const found =
      ports.find(
        (port) =>
          identity.serialNumber !== undefined &&
          port.serialNumber === identity.serialNumber &&
          port.usbVendorId === identity.usbVendorId,
      ) ?? ports.find((port) => identity.byId !== undefined && port.byId === identity.byId);
    return found?.path ?? identity.byId ?? this.#options.port;
  }
}

async function retry(
  { attempts, signal, failed }: Attempts,
  passes: (error: BridgeError) => boolean,
  open: () => Promise<Camera>,
): Promise<Camera> {
  for (let attempt = 1; ; attempt++) {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 16));
    await pause(longest * (LEAST_PART + (1 - LEAST_PART) * Math.random()), signal);
    try {
      return await open();
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!passes(error) || attempt >= attempts) throw error;
      failed(error);
    }
  }
}

/** What is known of a port's device; undefined for ptys, the virtual camera and lines without USB. */
async function identify(path: string, list: ListPorts, signal: AbortSignal): Promise<PortInfo | undefined> {
  if (path === 'virtual' || recordingOf(path) !== undefined) return undefined;
  try {
    const real = await realpath(path);
    const ports = await list({ signal });
    const port = ports.find((candidate) => candidate.path === real || candidate.path === path);
    return port?.serialNumber === undefined && port?.byId === undefined ? undefined : port;
  } catch {
    signal.throwIfAborted();
    // Without an identity only the path is left.
    return undefined;
  }
}

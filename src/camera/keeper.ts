/**
 * Keeps a camera: finds and opens it again after it was unplugged, reset, given another ttyACM number, or fell
 * silent. The camera is known again by its USB serial number, by its name under /dev/serial/by-id, or else by the
 * path that was given.
 */
import { realpath } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { asBridgeError, BridgeError } from '../errors.js';
import { listPorts, type PortInfo } from '../port/index.js';
import { type Camera, connectCamera } from './camera.js';
import type { CameraOptions } from './options.js';

/** Waiting before the first attempt; doubled up to the longest. */
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

type ListPorts = () => Promise<PortInfo[]>;

export class CameraKeeper {
  readonly #options: CameraOptions;
  readonly #list: ListPorts;
  readonly #identity: PortInfo | undefined;
  #camera: Camera;
  /** Virtual cameras there have been: each connection to `virtual` switches a new one on. */
  #lives = 1;

  private constructor(
    options: CameraOptions,
    list: ListPorts,
    camera: Camera,
    identity: PortInfo | undefined,
  ) {
    this.#options = options;
    this.#list = list;
    this.#camera = camera;
    this.#identity = identity;
  }

  /** Connects for the first time; ends in the errors of `connectCamera`. `list`: how ports are found. */
  static async connect(options: CameraOptions, list: ListPorts = listPorts): Promise<CameraKeeper> {
    const camera = await connectCamera(options);
    return new CameraKeeper(options, list, camera, await identify(camera.info().port, list));
  }

  /** The camera as it is now; another object after each reconnection. */
  get camera(): Camera {
    return this.#camera;
  }

  /**
   * Waits and tries until the camera is back, or `attempts` have failed, or `signal` says stop. `failed` is told
   * of each attempt. Ends in the last attempt's error, in one that no waiting can help, or in PORT_CLOSED when it
   * was stopped.
   */
  async reconnect(
    attempts: number,
    signal: AbortSignal,
    failed: (error: BridgeError) => void,
  ): Promise<Camera> {
    await this.#camera.close();
    for (let attempt = 1; ; attempt++) {
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
      const wait = longest * (LEAST_PART + (1 - LEAST_PART) * Math.random());
      await pause(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw new BridgeError('PORT_CLOSED', 'The connection was closed.');
      try {
        return await this.#open();
      } catch (cause) {
        const error = asBridgeError(cause);
        if (!PASSING.has(error.code) || attempt >= attempts) throw error;
        failed(error);
      }
    }
  }

  async #open(): Promise<Camera> {
    const port = await this.#findPort();
    const { virtual } = this.#options;
    // It is to meet other faults than the one before it did.
    const next = port === 'virtual' ? { ...virtual, life: ++this.#lives } : virtual;
    const camera = await connectCamera({ ...this.#options, port, virtual: next });
    const before = this.#camera.info();
    const now = camera.info();
    if (before.system.deviceId.join() !== now.system.deviceId.join()) {
      await camera.close();
      throw new BridgeError(
        'NOT_A_CAMERA',
        `Another camera is on ${now.port} now. Plug the one with the id ${before.cameraId} in again, or start anew.`,
        { context: { expected: before.system.deviceId, found: now.system.deviceId } },
      );
    }
    camera.controls.takeOver(this.#camera.controls);
    this.#camera = camera;
    return camera;
  }

  /** Where the camera is now, as far as its identity tells; else where it was. */
  async #findPort(): Promise<string> {
    const identity = this.#identity;
    if (!identity) return this.#options.port;
    const ports = await this.#list();
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

/** What is known of a port's device; undefined for ptys, the virtual camera and lines without USB. */
async function identify(path: string, list: ListPorts): Promise<PortInfo | undefined> {
  if (path === 'virtual') return undefined;
  try {
    const real = await realpath(path);
    const port = (await list()).find((candidate) => candidate.path === real || candidate.path === path);
    return port?.serialNumber === undefined && port?.byId === undefined ? undefined : port;
  } catch {
    // Without an identity the path is all there is to go by.
    return undefined;
  }
}

/** The cameras of a server: those that run, and those that are waited for. */
import type { Bridge } from '../bridge/index.js';
import type { BridgeError } from '../errors.js';
import { httpError } from './failures.js';
import { type KeepOptions, WatchedCamera } from './watched-camera.js';

/** A camera that was asked for and has not come. */
export interface MissingCamera {
  readonly port: string;
  readonly sinceMs: number;
  readonly code: string;
  readonly message: string;
}

export class CameraList {
  readonly #keep: KeepOptions;
  readonly #cameras = new Set<WatchedCamera>();
  readonly #missing = new Map<string, MissingCamera>();
  readonly #listeners = new Set<(camera: WatchedCamera) => void>();

  constructor(keep: KeepOptions) {
    this.#keep = keep;
  }

  /** Adds a camera until its bridge has ended. */
  add(bridge: Bridge): void {
    const camera = new WatchedCamera(bridge, this.#keep);
    this.#cameras.add(camera);
    this.#missing.delete(bridge.options.port);
    for (const listener of this.#listeners) listener(camera);
    const remove = (): void => {
      this.#cameras.delete(camera);
      camera.close();
    };
    bridge.done.then(remove, remove);
  }

  /** A camera is waited for, and why. */
  waiting(port: string, { code, message }: BridgeError): void {
    const sinceMs = this.#missing.get(port)?.sinceMs ?? Date.now();
    this.#missing.set(port, { port, sinceMs, code, message });
  }

  /** A camera is not waited for any more. */
  left(port: string): void {
    this.#missing.delete(port);
  }

  get all(): readonly WatchedCamera[] {
    return [...this.#cameras];
  }

  get missing(): readonly MissingCamera[] {
    return [...this.#missing.values()];
  }

  /** Calls back for each camera there is and each that comes; returns how to end that. */
  each(listener: (camera: WatchedCamera) => void): () => void {
    for (const camera of this.#cameras) listener(camera);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The camera of that id; without one, the only one there is. HTTP_NOT_FOUND, HTTP_INVALID. */
  find(id: string | undefined): WatchedCamera {
    const all = this.all;
    const list = all.map((camera) => camera.id).join(', ') || 'none at the moment';
    if (id === undefined && all.length > 1) {
      throw httpError('HTTP_INVALID', `"camera" is needed to say which camera is meant: there is ${list}.`);
    }
    const found = id === undefined ? all[0] : all.find((camera) => camera.id === id);
    if (found) return found;
    const named = id === undefined ? '' : ` ${id.slice(0, 64)}`;
    throw httpError('HTTP_NOT_FOUND', `There is no camera${named}: there is ${list}.`);
  }

  close(): void {
    for (const camera of this.#cameras) camera.close();
    this.#cameras.clear();
    this.#listeners.clear();
  }
}

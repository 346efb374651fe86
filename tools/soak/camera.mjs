/**
 * One camera of a soak: a virtual camera behind a pty, with a line that spoils packets, that is hung up and reset
 * by the clock, and that writes down every picture it takes.
 */
import { rmSync } from 'node:fs';
import { openVirtualCamera, serveVirtualCamera } from '../../dist/virtual/index.js';
import { openPty } from '../../dist/virtual/line/pty.js';

export class SoakCamera {
  /** Captures in order: "crc32 bytes". */
  captures = [];
  /** Times that captures were destroyed with the camera's memory: at most two that were not read yet, each time. */
  resets = 0;
  hangUps = 0;
  #link;
  #camera;
  #pty;
  #stopServing;

  static async open(link, id, options) {
    const soak = new SoakCamera();
    soak.#link = link;
    soak.#camera = await openVirtualCamera({
      ...options,
      id,
      onCapture: ({ crc32, bytes }) => soak.captures.push(`${crc32} ${bytes}`),
    });
    await soak.#plugIn();
    return soak;
  }

  get link() {
    return this.#link;
  }

  get injected() {
    return this.#camera.injected;
  }

  /** The cable is pulled and put in again: the pty is gone and another one has its name. */
  async hangUp(forMs) {
    this.hangUps++;
    this.#stopServing();
    this.#pty.hangUp();
    await this.#pty.close();
    await new Promise((resolve) => setTimeout(resolve, forMs));
    await this.#plugIn();
  }

  /** Power off and on again. */
  reset() {
    this.resets++;
    this.#camera.reset();
  }

  async close() {
    this.#stopServing();
    await this.#pty.close();
    await this.#camera.close();
    rmSync(this.#link, { force: true });
  }

  async #plugIn() {
    this.#pty = await openPty(this.#link);
    this.#stopServing = serveVirtualCamera(this.#camera, this.#pty);
  }
}

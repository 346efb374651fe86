/** A virtual camera that goes on while its cable is pulled and plugged in again. */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from '../../src/async.js';
import {
  openVirtualCamera,
  serveVirtualCamera,
  type VirtualCamera,
  type VirtualCameraInput,
} from '../../src/virtual/index.js';
import { openPty } from '../../src/virtual/line/pty.js';

/** How long a cable that is pulled again and again stays out. */
const OUT_MS = 20;

let links = 0;

export class Cable {
  /** Where hosts find the camera while it is plugged in. */
  readonly link: string;
  readonly #camera: VirtualCamera;
  #pull: (() => Promise<void>) | undefined;

  constructor(camera: VirtualCamera, link = join(tmpdir(), `openmv-cable-${process.pid}-${links++}`)) {
    this.#camera = camera;
    this.link = link;
  }

  async plug(): Promise<void> {
    const pty = await openPty(this.link);
    const stop = serveVirtualCamera(this.#camera, pty);
    this.#pull = async () => {
      // The number of a closed pty is given to the next one: it must not be found under the old name.
      rmSync(this.link, { force: true });
      stop();
      pty.hangUp();
      await pty.close();
    };
  }

  /** Does nothing while it is out. */
  async unplug(): Promise<void> {
    const pull = this.#pull;
    this.#pull = undefined;
    await pull?.();
  }

  /** Pulls it every `ms` for a moment until `done` has settled, which it answers; 0: never. */
  async pullEvery<T>(ms: number, done: Promise<T>): Promise<T> {
    let over = false;
    const end = done.finally(() => {
      over = true;
    });
    while (!over && ms > 0) {
      await Promise.race([pause(ms), end]);
      await this.unplug();
      await pause(OUT_MS);
      await this.plug();
    }
    return end;
  }
}

/** Such a camera, plugged in. `close` pulls the cable and switches the camera off. */
export async function cameraOnCable(
  options: VirtualCameraInput = {},
  link?: string,
): Promise<{ camera: VirtualCamera; cable: Cable; link: string; close(): Promise<void> }> {
  const camera = await openVirtualCamera(options);
  const cable = new Cable(camera, link);
  await cable.plug();
  const close = async (): Promise<void> => {
    await cable.unplug();
    await camera.close();
  };
  return { camera, cable, link: cable.link, close };
}

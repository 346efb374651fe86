/** The functions of `_vcam`, on which the Python half of the firmware is built. They take and return numbers. */
import { ChannelFlag, ChannelId } from '../../protocol/index.js';
import type { Board } from '../device/board.js';
import type { Pins } from '../device/pins.js';
import type { Sensor } from '../sensor/sensor.js';
import { INTERRUPTED } from './codes.js';
import type { PythonChannels } from './python-channels.js';

/** What a primitive works with; made after the interpreter, which needs the primitives. */
export interface Machine {
  readonly board: Board;
  readonly sensor: Sensor;
  readonly channels: PythonChannels;
  readonly pins: Pins;
  /** The board starts again. */
  reset(): never;
}

type Primitive = (...values: never[]) => number | undefined;

/**
 * `machine` gives the parts once they exist. `fatal` takes an error of the firmware itself: it must not pass
 * through WebAssembly, and never returns.
 */
export function createPrimitives(
  machine: () => Machine,
  uniqueId: string,
  fatal: (error: unknown) => never,
): Readonly<Record<string, unknown>> {
  const primitives: Record<string, Primitive> = {
    service: () => {
      machine().board.service();
      return undefined;
    },
    sleep_ms: (ms: number) => slept(machine().board.waitUntil(performance.now() + ms)),
    sleep_us: (us: number) => slept(machine().board.waitUntil(performance.now() + us / 1000)),
    reset: () => machine().reset(),
    is_active: () => Number(machine().board.link.active),
    register: (name: string, flags: number, methods: number, backend: number) => {
      const { board, channels } = machine();
      board.idleness.active();
      return board.link.register(channels.create(name, flags, methods, backend));
    },
    send_event: (channel: number, event: number, waitAck: number) =>
      Number(machine().board.sendEvent(channel, event, waitAck !== 0)),
    watch_pin: (name: string, index: number) => {
      machine().pins.watch(name, index);
      return undefined;
    },
    csi_set: (name: string, first: number, second: number) => machine().sensor.set(name, first, second),
    csi_get: (name: string) => machine().sensor.get(name),
    csi_window: (x: number, y: number, w: number, h: number) => machine().sensor.setWindow(x, y, w, h),
    snapshot: (blocking: number) => machine().sensor.snapshot(blocking !== 0),
    jpeg: (quality: number, fullChroma: number, copy: number) =>
      machine().sensor.jpeg(quality, fullChroma !== 0, copy !== 0),
    pixels: () => machine().sensor.pixels(),
    blob_bounds: (more: number) => machine().sensor.blobs.addBounds(more !== 0),
    blob_region: (strideX: number, strideY: number) => machine().sensor.blobs.setRegion(strideX, strideY),
    blob_find: (invert: number, leastArea: number, leastPixels: number, margin: number) =>
      machine().sensor.blobs.find(invert !== 0, leastArea, leastPixels, margin),
    blob_get: (index: number) => machine().sensor.blobs.get(index),
  };
  const guarded = Object.entries(primitives).map(([name, primitive]) => [
    name,
    (...values: never[]) => {
      try {
        return primitive(...values);
      } catch (error) {
        return fatal(error);
      }
    },
  ]);
  return { ...Object.fromEntries(guarded), unique_id: uniqueId };
}

const slept = (done: boolean): number => (done ? 0 : INTERRUPTED);

/** Channels of the firmware that every script finds. */
export function registerBuiltIn(board: Board): void {
  // Reading the line itself finds nothing: what comes has been taken already.
  board.link.register(
    { name: 'usb', flags: ChannelFlag.PHYSICAL, size: () => 0, read: () => undefined },
    ChannelId.TRANSPORT,
  );
  board.link.register(board.stdin, ChannelId.STDIN);
  board.link.register(board.stdout, ChannelId.STDOUT);
  board.link.register(board.preview, ChannelId.STREAM);
}

/**
 * A camera on a line that exists in simulated time only, for measuring a host. While the host works, simulated time runs as
 * fast as its thread's processor time; when it has nothing to do, time jumps to the next arrival or timer. So a line of any bandwidth
 * and round trip is simulated exactly, whatever timers and other processes of this machine do, and the host's own
 * time counts.
 */
import { setImmediate as turnOver } from 'node:timers/promises';
import { DeviceLink } from '../../dist/virtual/device/device-link.js';
import { threadMs } from './thread-time.mjs';

/** What a read of a serial port gives at most. */
const CHUNK = 4_096;
const HEADER = 32;
const UNIT = 32;
const WINDOW_AT = 0x2000_0000;
const RELEASE_AT = 0x3000_0000;
const NUMBER_MASK = 0x0fff_ffff;
const MAGIC = 0x3146_4d4f;
const SIZED = 0x8000;

class SimulatedClock {
  /** Simulated milliseconds at the begin of the piece of work under way, and the thread's time then. */
  #base = 0;
  #since;
  #events = [];
  #count = 0;

  now() {
    return this.#since === undefined ? this.#base : this.#base + (threadMs() - this.#since);
  }

  after(ms, call) {
    return this.at(this.now() + Math.max(0, ms), call);
  }

  /** The host's work at a time, which takes the time it takes; or the camera's, which takes none. */
  at(time, call, camera = false) {
    const event = { time, order: this.#count++, call, camera };
    const behind = this.#events.findIndex((other) => other.time > time);
    this.#events.splice(behind < 0 ? this.#events.length : behind, 0, event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  async run(stopped) {
    while (!stopped()) {
      // Everything that the last piece of work set off ends before the next begins.
      await turnOver();
      this.#base = this.now();
      this.#since = undefined;
      const next = this.#events.shift();
      if (!next) {
        this.#since = threadMs();
        continue;
      }
      if (next.camera) {
        // The camera is not held up by the host: its time may lie before the host's.
        const base = this.#base;
        this.#base = next.time;
        next.call();
        this.#base = Math.max(base, next.time);
      } else {
        this.#base = Math.max(this.#base, next.time);
        this.#since = threadMs();
        next.call();
      }
    }
  }
}

/** One direction of the line: bytes leave it one behind the other, and arrive half a round trip later. */
class Direction {
  #freeAt = 0;

  constructor(bytesPerSecond, roundTripMs) {
    this.perByteMs = 1_000 / bytesPerSecond;
    this.delayMs = roundTripMs / 2;
  }

  /** When the last of the bytes that are sent at `time` arrives. */
  arrival(time, bytes) {
    this.#freeAt = Math.max(time, this.#freeAt) + bytes * this.perByteMs;
    return this.#freeAt + this.delayMs;
  }
}

/** A byte stream for `Camera`, with a camera behind it that has a frame channel. */
export class SimulatedCamera {
  name = 'simulated';
  clock = new SimulatedClock();
  #handlers;
  #stopped = false;
  #closed = false;

  /** `window`: the script gives frames in a window, and says their size in its events; else by the plain pattern alone. */
  constructor({ bytesPerSecond, roundTripMs, payload, size, kind, window }) {
    this.kind = kind;
    const { clock } = this;
    const toHost = new Direction(bytesPerSecond, roundTripMs);
    this.toCamera = new Direction(bytesPerSecond, roundTripMs);
    this.device = new DeviceLink({
      maxPayload: payload,
      identity: {
        version: () => ({ protocol: [1, 0, 2], bootloader: [1, 0, 3], firmware: [5, 0, 0] }),
        systemInfo: () => ({
          cpuId: 1,
          deviceId: [1, 2, 3],
          usbVendorId: 0x37c5,
          usbProductId: 0x124a,
          chipIds: [0x5640, 0, 0],
          hardwareCaps: [0, 0],
          flashKb: 0,
          ramKb: 0,
          framebufferKb: 4_096,
          streamBufferKb: 1_024,
        }),
        memory: () => [],
        reset: () => undefined,
      },
      transmit: (packet) => {
        for (let from = 0; from < packet.length; from += CHUNK) {
          const chunk = packet.slice(from, from + CHUNK);
          clock.at(toHost.arrival(clock.now(), chunk.length), () => {
            if (!this.#closed) this.#handlers?.data(chunk);
          });
        }
      },
    });
    for (const [id, channel] of [
      { name: 'usb', flags: 64 },
      { name: 'stdin', flags: 2, poll: () => true, ioctl: () => 0, write: (_at, data) => data.length },
      { name: 'stdout', flags: 1, size: () => 0, read: () => undefined },
      { name: 'stream', flags: 1 },
    ].entries())
      this.device.register(channel, id);
    this.#registerFrames(size, window);
  }

  start(handlers) {
    this.#handlers = handlers;
  }

  write(bytes) {
    const copy = bytes.slice();
    const arrival = this.toCamera.arrival(this.clock.now(), copy.length);
    this.clock.at(arrival, () => !this.#closed && this.device.receive(copy, this.clock.now()), true);
  }

  close() {
    this.#closed = true;
    return Promise.resolve();
  }

  /** Lets time pass until `stop`. */
  run() {
    return this.clock.run(() => this.#stopped);
  }

  stop() {
    this.#stopped = true;
  }

  /** The frame channel of a script that always has the next frame ready: what it releases is replaced at once. */
  #registerFrames(size, window) {
    const total = HEADER + size;
    const padded = Math.ceil(total / UNIT) * UNIT;
    // What lies behind belongs to the buffer: a host may ask for more than there is.
    const whole = Buffer.alloc(padded + UNIT * 64);
    const jpeg = whole.subarray(HEADER, total);
    for (let i = 0; i < size; i++) jpeg[i] = (i * 167 + (i >> 5)) & 0xff;
    // SOI, a frame header of 640 x 480, EOI.
    jpeg.set([0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 1, 0xe0, 2, 0x80, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    jpeg.set([0xff, 0xda], 21);
    jpeg.set([0xff, 0xd9], size - 2);
    whole.writeUInt32LE(MAGIC, 0);
    whole.writeUInt32LE(size, 4);
    whole.writeUInt16LE(640, 8);
    whole.writeUInt16LE(480, 10);
    let number = 0;
    const latch = () => {
      number = (number + 1) & NUMBER_MASK;
      whole.writeUInt32LE(number, 12);
      // No two captures have the same bytes.
      jpeg.writeUInt32LE(number, 100);
    };
    const released = () => {
      latch();
      // Behind the answer that releases.
      this.clock.at(
        this.clock.now(),
        () => this.device.sendEvent(id, window ? SIZED | (padded / UNIT) : 1, false, this.clock.now()),
        true,
      );
    };
    const readp = (offset, length) => {
      if (window && offset >= RELEASE_AT) {
        if (offset - RELEASE_AT === number && length === 1) released();
        return length === 1 ? Uint8Array.of(0) : undefined;
      }
      if (window && offset >= WINDOW_AT) {
        const from = offset - WINDOW_AT;
        return from + length <= whole.length ? whole.subarray(from, from + length) : undefined;
      }
      if (offset + length > size) return undefined;
      const part = jpeg.subarray(offset, offset + length);
      if (offset + length !== size) return part;
      const last = part.slice();
      released();
      return last;
    };
    latch();
    const id = this.device.register({
      name: 'frame',
      flags: 1,
      poll: () => true,
      size: () => size,
      shape: () => [size, 640, 480, number],
      readp,
    });
  }
}

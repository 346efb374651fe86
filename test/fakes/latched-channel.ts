/** Frame channels as scripts make them: the bundled one's rules, those of the vendor's example, and of scripts in between. */
import type { DeviceChannel } from '../../src/virtual/device/device-types.js';
import type { FakeCamera } from './fake-camera.js';

export interface LatchOptions {
  /**
   * `windowed`: two buffers, and a window, as the bundled script. `numbered`: one buffer, SHAPE with a number. `vendor`: the
   * vendor's example has no SHAPE, and SIZE and READ answer for a frame that was read already.
   */
  readonly style: 'windowed' | 'numbered' | 'vendor';
  readonly events?: boolean;
  /** Makes the capture of that number, counted from 1. */
  readonly capture: (number: number) => Uint8Array;
  /** Captures in all; then nothing more is latched. */
  readonly captures: number;
  /** From a free buffer to the next capture. */
  readonly captureMs?: number;
  /** Number of the first capture: of a script that has run for a while. */
  readonly first?: number;
  /** Windowed: instead of the magic number. */
  readonly magic?: number;
  /** Windowed: what lies behind the capture of that number. */
  readonly data?: (number: number) => Uint8Array;
  /** Windowed: it has the bundled script's other channel as well. */
  readonly control?: boolean;
}

interface Slot {
  readonly bytes: Uint8Array;
  readonly number: number;
  /** Header, JPEG, padding. */
  readonly window: Uint8Array;
  readonly capturedAt: number;
}

const WINDOW = 0x2000_0000;
const RELEASE = 0x3000_0000;
const MAGIC = 0x3146_4d4f;

/** Captures frames while it has a free buffer; the first one is latched until it is released. */
export class LatchedChannel {
  /** Every capture that was complete. */
  readonly captured: Uint8Array[] = [];
  /** READs of the window that were answered, and releases by number: the numbers. */
  readonly windowReads: number[] = [];
  readonly released: number[] = [];
  readonly #fake: FakeCamera;
  readonly #options: LatchOptions;
  readonly #id: number;
  readonly #slots: number;
  readonly #ready: Slot[] = [];
  #capturing = false;
  /** The vendor's example answers for it after it was read. */
  #frame: Uint8Array = new Uint8Array(0);
  #sized: Slot | undefined;

  constructor(fake: FakeCamera, options: LatchOptions) {
    this.#fake = fake;
    this.#options = options;
    this.#slots = options.style === 'windowed' ? 2 : 1;
    const vendor = options.style === 'vendor';
    const channel: DeviceChannel = {
      name: 'frame',
      flags: 1,
      poll: () => this.#ready.length > 0,
      size: () => (vendor ? this.#frame.length : this.#shape()[0]!),
      readp: (offset, length) => this.#read(offset, length),
      ...(vendor ? {} : { shape: () => this.#shape() }),
    };
    if (options.control) fake.device.register({ name: 'control', flags: 3, size: () => 0 });
    this.#id = fake.device.register(channel);
    this.#complete();
  }

  /** Number of the last capture. */
  get #latest(): number {
    return this.captured.length + (this.#options.first ?? 1) - 1;
  }

  /** What is captured so far is dropped, as for a change of settings; the next capture takes a while. */
  giveUp(): void {
    this.#ready.length = 0;
    this.#fake.clock.after(100, () => this.#capture());
  }

  #shape(): number[] {
    const slot = this.#ready[0];
    this.#sized = slot;
    return [slot?.bytes.length ?? 0, 32, 24, slot?.number ?? this.#latest];
  }

  #read(offset: number, length: number): Uint8Array | undefined {
    const { style } = this.#options;
    const slot = this.#ready[0];
    if (style === 'windowed' && offset >= RELEASE) return this.#releaseNumber(offset - RELEASE);
    if (style === 'windowed' && offset >= WINDOW) return this.#window(slot, offset - WINDOW, length);
    const end = offset + length;
    if (style === 'vendor') {
      if (end === this.#frame.length && slot) this.#release();
      return this.#frame.subarray(offset, end);
    }
    if (!slot || end > slot.bytes.length || (style === 'windowed' && slot !== this.#sized)) return undefined;
    if (end === slot.bytes.length) this.#release();
    return slot.bytes.subarray(offset, end);
  }

  #window(slot: Slot | undefined, offset: number, length: number): Uint8Array | undefined {
    if (!slot || offset + length > slot.window.length) return undefined;
    this.windowReads.push(slot.number);
    if (offset === 0) {
      const view = new DataView(slot.window.buffer);
      const ageUs = this.#us(this.#fake.clock.now()) - this.#us(slot.capturedAt);
      view.setUint32(20, this.#tick(), true);
      view.setUint16(26, Math.floor(ageUs / 2 ** 30), true);
    }
    return slot.window.subarray(offset, offset + length);
  }

  #releaseNumber(number: number): Uint8Array {
    const latched = this.#ready[0]?.number ?? this.#latest + 1;
    if (number === latched) {
      this.released.push(number);
      this.#release();
      return Uint8Array.of(1);
    }
    return Uint8Array.of(number < latched ? 2 : 0);
  }

  #release(): void {
    this.#ready.shift();
    this.#capture();
  }

  /** The script's main loop captures the next one a little later. */
  #capture(): void {
    if (this.#capturing || this.#ready.length >= this.#slots) return;
    this.#capturing = true;
    this.#fake.clock.after(this.#options.captureMs ?? 1, () => {
      this.#capturing = false;
      this.#complete();
    });
  }

  #complete(): void {
    const number = this.#latest + 1;
    if (this.captured.length === this.#options.captures) return;
    const bytes = this.#options.capture(number);
    this.#frame = bytes;
    this.captured.push(bytes);
    const capturedAt = this.#fake.clock.now();
    const slot = { bytes, number, window: this.#windowOf(bytes, number), capturedAt };
    this.#ready.push(slot);
    const event = this.#options.style === 'windowed' ? 0x8000 | (slot.window.length >> 5) : 1;
    if (this.#options.events !== false)
      this.#fake.device.sendEvent(this.#id, event, false, this.#fake.clock.now());
    this.#capture();
  }

  #windowOf(bytes: Uint8Array, number: number): Uint8Array {
    const data = this.#options.data?.(number) ?? new Uint8Array(0);
    const window = new Uint8Array(Math.ceil((32 + bytes.length + data.length) / 32) * 32);
    const view = new DataView(window.buffer);
    view.setUint32(0, this.#options.magic ?? MAGIC, true);
    view.setUint32(4, bytes.length, true);
    view.setUint16(8, 32, true);
    view.setUint16(10, 24, true);
    view.setUint32(12, number, true);
    view.setUint32(16, this.#tick(), true);
    view.setUint16(24, data.length, true);
    window.set(bytes, 32);
    window.set(data, 32 + bytes.length);
    return window;
  }

  #us(ms: number): number {
    return Math.round(ms * 1_000);
  }

  #tick(): number {
    return this.#us(this.#fake.clock.now()) % 2 ** 30;
  }
}

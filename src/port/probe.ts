import { BridgeError } from '../errors.js';
import type { ByteStream } from '../link/byte-stream.js';
import { AckFinder, SYNC_ACK, SYNC_PACKET } from './ack-finder.js';
import { probeFailed } from './probe-verdict.js';
import { StreamTap } from './stream-tap.js';

export interface ProbeOptions {
  /** How many times SYNC is sent. */
  readonly attempts?: number;
  /** How long an attempt waits for the answer after the last byte that came. */
  readonly attemptMs?: number;
  /** The line counts as quiet after that long without a byte. */
  readonly quietMs?: number;
  /** How long a device may keep sending other things, before SYNC and in each attempt. */
  readonly busyMs?: number;
}

/** Bytes kept of what came, for the error. */
const HEARD_LIMIT = 512;

/** One probe under way: the bytes that came, and a wake-up for whoever waits for them. */
class Probe {
  readonly tap: StreamTap;
  heard = Buffer.alloc(0);
  acknowledged = false;
  #finder: AckFinder | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: ByteStream) {
    this.tap = new StreamTap(
      stream,
      (chunk) => this.#look(chunk),
      () => this.#wake?.(),
    );
  }

  #look(chunk: Uint8Array): void {
    const room = HEARD_LIMIT - this.heard.length;
    if (room > 0) this.heard = Buffer.concat([this.heard, chunk.subarray(0, room)]);
    const rest = this.#finder?.feed(chunk);
    if (rest) {
      this.acknowledged = true;
      this.tap.release(withoutAcks(rest));
    }
    this.#wake?.();
  }

  /** Sends SYNC; what came before it cannot be its answer. */
  sync(): void {
    this.#finder ??= new AckFinder();
    this.tap.write(SYNC_PACKET);
  }

  /**
   * Waits until nothing has come for `quietMs`, the answer has come or the line is closed. false: bytes were
   * still coming after `limitMs`.
   */
  async settle(quietMs: number, limitMs: number): Promise<boolean> {
    const limit = performance.now() + limitMs;
    let woken = true;
    while (woken && !this.acknowledged && !this.tap.ended) {
      const wait = Math.min(quietMs, limit - performance.now());
      if (wait <= 0) return false;
      woken = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), wait);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      if (!woken && wait < quietMs) return false;
    }
    return true;
  }
}

/** A slow device answers every SYNC it was sent: later answers are no news to whoever takes the line over. */
function withoutAcks(bytes: Uint8Array): Uint8Array {
  let rest = bytes;
  while (Buffer.compare(rest.subarray(0, SYNC_ACK.length), SYNC_ACK) === 0)
    rest = rest.subarray(SYNC_ACK.length);
  return rest;
}

/**
 * Finds out whether an OpenMV camera that speaks the protocol is at the other end: sends SYNC, which resets the
 * session, and waits for its fixed answer. Takes over a stream that was not started; the one it resolves with
 * replaces it and delivers every byte behind the answer.
 *
 * A device in the middle of a transfer finishes it first when acknowledgements are off, so an attempt lasts as
 * long as bytes keep coming, up to `busyMs`.
 *
 * Throws, with the stream closed: `CAMERA_SILENT` (nothing came), `NOT_A_CAMERA` (something else answered; the
 * message shows it), `CAMERA_PROTOCOL` (packets, but no answer) or what ended the stream.
 */
export async function probeCamera(stream: ByteStream, options: ProbeOptions = {}): Promise<ByteStream> {
  const { attempts = 3, attemptMs = 300, quietMs = 20, busyMs = 3000 } = options;
  const probe = new Probe(stream);
  await probe.settle(quietMs, busyMs);
  for (let attempt = 0; attempt < attempts && !probe.acknowledged && !probe.tap.ended; attempt++) {
    probe.sync();
    // A camera would have got to the end of what it was sending: the rest of the attempts would go the same way.
    if (!(await probe.settle(attemptMs, busyMs))) break;
  }
  if (probe.acknowledged) return probe.tap;
  const broken = probe.tap.ended;
  await stream.close();
  if (!broken) throw probeFailed(stream.name, attempts, probe.heard);
  throw (
    probe.tap.error ??
    new BridgeError('PORT_CLOSED', `${stream.name} was closed during the probe.`, {
      context: { path: stream.name },
    })
  );
}

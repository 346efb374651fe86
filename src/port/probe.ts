import { Signal, within } from '../async.js';
import { BridgeError } from '../errors.js';
import type { ByteStream } from '../link/index.js';
import { AckFinder, SYNC_ACK, SYNC_PACKET } from './ack-finder.js';
import { legacyFirmware, VERSION_REQUEST } from './legacy.js';
import { PeekableStream } from './peekable-stream.js';
import { mayBeLegacy, probeFailed } from './probe-verdict.js';

export interface ProbeOptions {
  /** How long an attempt waits for the answer after the last byte that came. */
  readonly attemptMs?: number;
  /** The line counts as quiet after that long without a byte. */
  readonly quietMs?: number;
  /** How long a device may keep sending other things, before SYNC and in each attempt. */
  readonly busyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** How many times SYNC is sent: 30 bytes, which are five whole commands to a camera that speaks the legacy protocol. */
const ATTEMPTS = 3;
/** Bytes kept of what came, for the error. */
const HEARD_LIMIT = 512;
/** How long an aborted call waits for its handle to be free; freeing goes on after that. */
export const ABORT_GRACE_MS = 50;

/**
 * Finds out whether an OpenMV camera that speaks the protocol is at the other end: sends SYNC, which resets the
 * session, and waits for its fixed answer. Takes over a stream that was not started; the one it resolves with
 * replaces it and delivers every byte behind the answer.
 *
 * A device in the middle of a transfer finishes it first when acknowledgements are off, so an attempt lasts as
 * long as bytes keep coming, up to `busyMs`. What does not answer is asked for the version of older firmware.
 *
 * Rejects, with the stream closed: `CAMERA_SILENT` (nothing came), `FIRMWARE_TOO_OLD` (4.x or older, which the message
 * names), `NOT_A_CAMERA` (something else answered; the message shows it), `CAMERA_PROTOCOL` (packets, but no answer), what ended the stream, or `signal.reason`.
 */
export async function probeCamera(stream: ByteStream, options: ProbeOptions = {}): Promise<ByteStream> {
  const { attemptMs = 300, quietMs = 20, busyMs = 3000, signal } = options;
  const news = new Signal();
  let finder: AckFinder | undefined;
  let acknowledged = false;
  let heard = Buffer.alloc(0);
  const look = (chunk: Uint8Array): void => {
    heard = Buffer.concat([heard, chunk.subarray(0, HEARD_LIMIT - heard.length)]);
    const rest = finder?.feed(chunk);
    if (rest) {
      acknowledged = true;
      line.release(withoutAcks(rest));
    }
    news.set();
  };
  const line = new PeekableStream(stream, look, () => news.set());

  /** Waits until nothing came for `quiet` ms, the answer came or the line ended. false: still busy after `busyMs`. */
  const settle = async (quiet: number): Promise<boolean> => {
    const limit = performance.now() + busyMs;
    while (!acknowledged && !line.ended) {
      const wait = Math.min(quiet, limit - performance.now());
      if (wait <= 0) return false;
      if (!(await news.wait(wait, signal))) return wait === quiet;
    }
    return true;
  };

  try {
    await settle(quietMs);
    // What came before SYNC cannot be its answer.
    finder = new AckFinder();
    let quiet = true;
    for (let attempt = 0; attempt < ATTEMPTS && quiet && !acknowledged && !line.ended; attempt++) {
      line.write(SYNC_PACKET);
      // A camera would have got to the end of what it was sending: the rest of the attempts would go the same way.
      quiet = await settle(attemptMs);
    }
    let firmware: string | undefined;
    if (quiet && !acknowledged && !line.ended && mayBeLegacy(heard)) {
      const synchronising = heard;
      heard = Buffer.alloc(0);
      line.write(VERSION_REQUEST);
      await settle(attemptMs);
      firmware = legacyFirmware(heard);
      heard = Buffer.concat([synchronising, heard]).subarray(0, HEARD_LIMIT);
    }
    signal?.throwIfAborted();
    if (acknowledged) return line;
    if (!line.ended) throw probeFailed(stream.name, ATTEMPTS, heard, firmware);
    const context = { path: stream.name };
    throw (
      line.error ?? new BridgeError('PORT_CLOSED', `${stream.name} was closed during the probe.`, { context })
    );
  } catch (error) {
    const closed = stream.close();
    // A line to a device that reads nothing takes its time to close.
    await (signal?.aborted ? within(closed, ABORT_GRACE_MS, () => new Error('still closing')) : closed).catch(
      () => {},
    );
    throw error;
  }
}

/** A slow device answers every SYNC it was sent: later answers mean nothing to the next user of the line. */
function withoutAcks(bytes: Uint8Array): Uint8Array {
  let rest = bytes;
  while (Buffer.compare(rest.subarray(0, SYNC_ACK.length), SYNC_ACK) === 0)
    rest = rest.subarray(SYNC_ACK.length);
  return rest;
}

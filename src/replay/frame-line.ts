/**
 * The line of a recording that has frames and no bytes of a line: it answers who the camera was, which is all that a host asks
 * while it connects, and refuses the rest.
 */
import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers } from '../link/index.js';
import {
  decodeCaps,
  encodeCaps,
  encodeHalfWord,
  encodePacket,
  encodeSystemInfo,
  encodeVersion,
  Flag,
  Opcode,
  Status,
  type SystemInfo,
  type VersionInfo,
} from '../protocol/index.js';
import { type WirePacket, WirePackets } from './wire-packets.js';

/** What is known of the camera. */
export interface RecordedCamera {
  readonly cameraId: string;
  /** Such as 5.0.0; undefined: the recording does not tell. */
  readonly protocolVersion: string | undefined;
  readonly firmwareVersion: string | undefined;
}

/** What any other request of a host ends in. */
export const noCamera = (): BridgeError =>
  new BridgeError(
    'UNSUPPORTED',
    'This is a recording of frames: there is no camera to ask, to set or to trigger.',
  );

/** Requests that the line answers, beside those of the link. */
export const ANSWERED: ReadonlySet<number> = new Set([Opcode.PROTO_VERSION, Opcode.SYS_INFO]);

/** As the boards have it. */
const MAX_PAYLOAD = 4_082;

export class FrameLine implements ByteStream {
  readonly name: string;
  readonly kind = 'virtual';
  readonly #camera: RecordedCamera;
  #packets = new WirePackets((item) => {
    if (item.type === 'packet' && item.from === 'host' && (item.header.flags & Flag.ACK) === 0)
      this.#answer(item);
  });
  #handlers: ByteStreamHandlers | undefined;
  #crc = true;
  #closed = false;

  constructor(path: string, camera: RecordedCamera) {
    this.name = `replay:${path}`;
    this.#camera = camera;
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers;
  }

  write(bytes: Uint8Array): void {
    if (!this.#closed) this.#packets.take({ atMs: 0, type: 'bytes', from: 'host', bytes: bytes.slice() });
  }

  async close(): Promise<void> {
    this.end();
  }

  /** The line is over. Idempotent. */
  end(error?: BridgeError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.closed(error);
  }

  #answer({ header: { opcode, channel, sequence }, payload }: WirePacket): void {
    const reply = (flags: number, data?: Uint8Array): void => {
      const bytes = encodePacket({ opcode, channel, sequence, flags }, data, this.#crc);
      this.#packets.take({ atMs: 0, type: 'bytes', from: 'camera', bytes });
      // Not from within the host's write.
      setImmediate(() => !this.#closed && this.#handlers?.data(bytes));
    };
    switch (opcode) {
      case Opcode.PROTO_SYNC:
        this.#crc = true;
        return reply(Flag.ACK);
      case Opcode.PROTO_GET_CAPS:
        return reply(
          0,
          encodeCaps({ crc: true, sequence: true, ack: false, events: true, maxPayload: MAX_PAYLOAD }),
        );
      case Opcode.PROTO_SET_CAPS:
        reply(Flag.ACK);
        this.#crc = decodeCaps(payload).crc;
        return;
      case Opcode.PROTO_VERSION:
        return reply(0, encodeVersion(versionOf(this.#camera)));
      case Opcode.SYS_INFO:
        return reply(0, encodeSystemInfo(systemOf(this.#camera)));
      default:
        return reply(Flag.NAK, encodeHalfWord(Status.INVALID));
    }
  }
}

function versionOf({ protocolVersion, firmwareVersion }: RecordedCamera): VersionInfo {
  const numbers = (text = '0.0.0'): [number, number, number] => {
    const [major = 0, minor = 0, patch = 0] = text.split('.').map((part) => Number(part) || 0);
    return [major, minor, patch];
  };
  return { protocol: numbers(protocolVersion), bootloader: [0, 0, 0], firmware: numbers(firmwareVersion) };
}

/** The camera's unique id, where it is named by that; nothing else of the board is recorded. */
function systemOf({ cameraId }: RecordedCamera): SystemInfo {
  const id = /^[0-9a-f]{24}$/.test(cameraId) ? cameraId : '0'.repeat(24);
  const word = (at: number): number => Number.parseInt(id.slice(at, at + 8), 16);
  return {
    ...{ cpuId: 0, deviceId: [word(0), word(8), word(16)], usbVendorId: 0, usbProductId: 0 },
    ...{ chipIds: [0, 0, 0], hardwareCaps: [0, 0], flashKb: 0, ramKb: 0 },
    ...{ framebufferKb: 0, streamBufferKb: 0 },
  };
}

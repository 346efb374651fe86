/** How the device answers each request (vendor: omv_protocol_process). */

import {
  type Capabilities,
  type DeviceStats,
  encodeCaps,
  encodeChannelList,
  encodeMemory,
  encodeShape,
  encodeStats,
  encodeSystemInfo,
  encodeVersion,
  encodeWord,
  IO_REQUEST_SIZE,
  IOCTL_REQUEST_SIZE,
  Opcode,
  type PacketHeader,
  Status,
} from '../../protocol/index.js';
import type { DeviceChannels } from './device-channels.js';
import type { DeviceChannel, DeviceLinkOptions } from './device-types.js';
import { exactly, once, piecewise, type ReplySource } from './reply-source.js';

/** A READ of a script's channel that is longer than this crashes the vendor's device; here it is refused. */
const LONGEST_READ = 64 * 1024 * 1024;

/** What answering takes of the device machine. */
export interface RequestHost {
  readonly options: DeviceLinkOptions;
  readonly caps: Capabilities;
  readonly stats: DeviceStats;
  readonly channels: DeviceChannels;
  sendStatus(opcode: number, channel: number, status: number): void;
  sendData(opcode: number, channel: number, source: ReplySource): void;
  lockAllowed(): boolean;
  locked(): void;
}

export function answerRequest(link: RequestHost, header: Readonly<PacketHeader>, payload: Uint8Array): void {
  const { opcode, channel: id } = header;
  const { identity } = link.options;
  const channel = link.channels.get(id);
  const data = (bytes: Uint8Array): void => link.sendData(opcode, id, once(bytes));
  const status = (code: number): void => link.sendStatus(opcode, id, code);
  switch (opcode) {
    case Opcode.PROTO_GET_CAPS:
      return data(encodeCaps(link.caps));
    case Opcode.PROTO_STATS:
      return data(encodeStats(link.stats));
    case Opcode.PROTO_VERSION:
      return data(encodeVersion(identity.version()));
    case Opcode.SYS_RESET:
      return identity.reset('reset');
    case Opcode.SYS_BOOT:
      return identity.reset('bootloader');
    case Opcode.SYS_INFO:
      return data(encodeSystemInfo(identity.systemInfo()));
    case Opcode.SYS_MEMORY:
      return data(encodeMemory(identity.memory()));
    case Opcode.CHANNEL_LIST:
      return data(encodeChannelList(link.channels.list()));
    case Opcode.CHANNEL_POLL:
      return data(encodeWord(link.channels.poll()));
    case Opcode.CHANNEL_LOCK:
      if (!link.lockAllowed() || !channel?.lock?.()) return status(Status.BUSY);
      link.locked();
      return status(Status.SUCCESS);
    case Opcode.CHANNEL_UNLOCK:
      return status(channel?.unlock?.() ? Status.SUCCESS : Status.BUSY);
    case Opcode.CHANNEL_SIZE:
      return channel?.size ? data(encodeWord(channel.size())) : status(Status.INVALID);
    case Opcode.CHANNEL_SHAPE:
      return channel?.shape ? data(encodeShape(channel.shape())) : status(Status.INVALID);
    case Opcode.CHANNEL_READ:
      return answerRead(link, id, channel, payload);
    case Opcode.CHANNEL_WRITE:
      return status(write(channel, payload));
    case Opcode.CHANNEL_IOCTL:
      return status(ioctl(channel, payload));
    default:
      return status(Status.INVALID);
  }
}

function answerRead(
  link: RequestHost,
  id: number,
  channel: DeviceChannel | undefined,
  payload: Uint8Array,
): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const whole = payload.length >= IO_REQUEST_SIZE;
  const offset = whole ? view.getUint32(0, true) : 0;
  const length = whole ? view.getUint32(4, true) : 0;
  const refused = length > LONGEST_READ && link.channels.isDynamic(id);
  if (length === 0 || refused || !channel || !(channel.read || channel.readp)) {
    link.sendStatus(Opcode.CHANNEL_READ, id, Status.INVALID);
    return;
  }
  if (channel.readp) {
    const buffer = channel.readp(offset, length);
    if (!buffer) link.sendStatus(Opcode.CHANNEL_READ, id, Status.FAILED);
    else link.sendData(Opcode.CHANNEL_READ, id, once(exactly(buffer, length)));
    return;
  }
  link.sendData(Opcode.CHANNEL_READ, id, piecewise(channel, offset, length));
}

function write(channel: DeviceChannel | undefined, payload: Uint8Array): number {
  if (!channel?.write || payload.length < IO_REQUEST_SIZE) return Status.INVALID;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const length = Math.min(view.getUint32(4, true), payload.length - IO_REQUEST_SIZE);
  if (length === 0) return Status.INVALID;
  const data = payload.subarray(IO_REQUEST_SIZE, IO_REQUEST_SIZE + length);
  return channel.write(view.getUint32(0, true), data) === 0 ? Status.FAILED : Status.SUCCESS;
}

function ioctl(channel: DeviceChannel | undefined, payload: Uint8Array): number {
  if (!channel?.ioctl || payload.length < IOCTL_REQUEST_SIZE) return Status.INVALID;
  const request = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
  const argument = payload.subarray(IOCTL_REQUEST_SIZE);
  if (channel.ioctls && channel.ioctls.get(request) !== argument.length) return Status.INVALID;
  return channel.ioctl(request, argument) === 0 ? Status.SUCCESS : Status.FAILED;
}

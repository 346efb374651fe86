/** How the device answers each request (vendor: omv_protocol_process). */

import type { PacketHeader } from '../../protocol/index.js';
import {
  type Capabilities,
  ChannelId,
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
  Status,
  StdinIoctl,
  StreamIoctl,
} from '../../protocol/index.js';
import type { DeviceChannels } from './device-channels.js';
import type { DeviceChannel, DeviceLinkOptions } from './device-types.js';
import { exactly, once, piecewise, type ReplySource } from './reply-source.js';

/** A READ of a script's channel that is longer than this crashes the vendor's device; here it is refused. */
const LONGEST_READ = 64 * 1024 * 1024;

/** Bytes of the argument of each ioctl that a built-in channel knows (vendor: OMV_PROTOCOL_CHANNEL_IOCTL_TABLE). */
const IOCTL_ARGUMENTS = new Map<number, ReadonlyMap<number, number>>([
  [
    ChannelId.STDIN,
    new Map([
      [StdinIoctl.STOP, 0],
      [StdinIoctl.EXEC, 0],
      [StdinIoctl.RESET, 0],
    ]),
  ],
  [
    ChannelId.STREAM,
    new Map([
      [StreamIoctl.ENABLE, 4],
      [StreamIoctl.RAW_ENABLE, 4],
      [StreamIoctl.RAW_CONFIG, 8],
      [StreamIoctl.SOURCE, 4],
    ]),
  ],
  // Mode, event, reset, statistics.
  [
    ChannelId.PROFILE,
    new Map([
      [0, 4],
      [1, 8],
      [2, 0],
      [3, 0],
    ]),
  ],
]);

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
      if (!link.channels.isDynamic(id) && !isKnownIoctl(id, payload)) return status(Status.INVALID);
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
  if (length === 0 || !channel || !(channel.read || channel.readp)) {
    link.sendStatus(Opcode.CHANNEL_READ, id, Status.INVALID);
    return;
  }
  const refused = length > LONGEST_READ && (channel.readp || link.channels.isDynamic(id));
  if (channel.readp || refused) {
    const buffer = refused ? undefined : channel.readp?.(offset, length);
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

/** The firmware checks the requests of built-in channels itself, by number and size of the argument. */
function isKnownIoctl(id: number, payload: Uint8Array): boolean {
  if (payload.length < IOCTL_REQUEST_SIZE) return false;
  const request = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
  return IOCTL_ARGUMENTS.get(id)?.get(request) === payload.length - IOCTL_REQUEST_SIZE;
}

function ioctl(channel: DeviceChannel | undefined, payload: Uint8Array): number {
  if (!channel?.ioctl || payload.length < IOCTL_REQUEST_SIZE) return Status.INVALID;
  const request = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
  return channel.ioctl(request, payload.subarray(IOCTL_REQUEST_SIZE)) === 0 ? Status.SUCCESS : Status.FAILED;
}

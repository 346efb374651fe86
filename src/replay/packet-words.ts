/** Packets in words. */
import {
  ChannelId,
  decodeCaps,
  decodeChannelList,
  decodeHalfWord,
  decodeIoctlRequest,
  decodeIoRequest,
  decodeShape,
  decodeVersion,
  decodeWord,
  Flag,
  Opcode,
  opcodeName,
  StdinEvent,
  StdinIoctl,
  StreamIoctl,
  SystemEvent,
  statusName,
  versionText,
} from '../protocol/index.js';
import type { WireItem, WirePacket } from './wire-packets.js';

const FIXED: readonly (readonly [id: number, name: string])[] = [
  [ChannelId.TRANSPORT, 'transport'],
  [ChannelId.STDIN, 'stdin'],
  [ChannelId.STDOUT, 'stdout'],
  [ChannelId.STREAM, 'stream'],
];
const FLAGS = Object.entries(Flag);
const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const has = ({ header }: WirePacket, flag: number): boolean => (header.flags & flag) !== 0;

/** Such as `ACK_REQ|FRAGMENT`; empty: none. */
export const flagsText = (flags: number): string =>
  FLAGS.flatMap(([name, bit]) => ((flags & bit) === 0 ? [] : [name])).join('|');

/** What is wrong with an item, for a filter and for counts: damage, a refusal, a repetition, a line that broke. */
export function troubleOf(item: WireItem): 'noise' | 'damaged' | 'nak' | 'repeated' | 'broken' | undefined {
  if (item.type === 'noise') return 'noise';
  if (item.type === 'closed') return item.code === undefined ? undefined : 'broken';
  if (item.type === 'opened') return undefined;
  if (item.crc === 'damaged') return 'damaged';
  if (has(item, Flag.NAK)) return 'nak';
  return has(item, Flag.RTX) ? 'repeated' : undefined;
}

/** Names of channels, as the camera lists them, and packets in words. */
export class PacketWords {
  #names = new Map(FIXED);

  /** Learns from a packet what later ones mean. */
  follow(item: WireItem): void {
    if (item.type !== 'packet' || item.crc === 'damaged' || !isData(item)) return;
    if (item.header.opcode !== Opcode.CHANNEL_LIST) return;
    for (const { id, name } of attempt(() => decodeChannelList(item.payload)) ?? [])
      this.#names.set(id, name);
  }

  /** Name of a channel; undefined: the camera has not listed it. */
  channelName(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** What stands in a packet's payload; empty: nothing that can be told. */
  detail(packet: WirePacket): string {
    if (packet.crc === 'damaged') return 'checksum of the payload is wrong';
    return attempt(() => this.#detail(packet)) ?? '';
  }

  #detail(packet: WirePacket): string {
    const { payload, from, header } = packet;
    if (has(packet, Flag.NAK)) return `refused: ${statusName(decodeHalfWord(payload, 'status'))}`;
    if (has(packet, Flag.EVENT)) return eventText(header.opcode, header.channel, payload);
    if (payload.length === 0) return '';
    if (from === 'host') return requestText(header.opcode, header.channel, payload);
    return replyText(header.opcode, payload);
  }
}

/** A packet that answers with data. */
const isData = (packet: WirePacket): boolean =>
  packet.from === 'camera' && !has(packet, Flag.NAK | Flag.EVENT) && packet.payload.length > 0;

function requestText(opcode: number, channel: number, payload: Uint8Array): string {
  switch (opcode) {
    case Opcode.PROTO_SET_CAPS:
      return capsText(payload);
    case Opcode.CHANNEL_READ:
    case Opcode.CHANNEL_WRITE: {
      const { offset, length } = decodeIoRequest(payload);
      return `offset ${offset} length ${length}`;
    }
    case Opcode.CHANNEL_IOCTL: {
      const { request, argument } = decodeIoctlRequest(payload);
      const table =
        channel === ChannelId.STDIN ? StdinIoctl : channel === ChannelId.STREAM ? StreamIoctl : {};
      const values = argument.length === 0 ? '' : ` ${Buffer.from(argument.subarray(0, 16)).toString('hex')}`;
      return `${nameIn(table, request) ?? `request ${request}`}${values}`;
    }
    default:
      return '';
  }
}

function replyText(opcode: number, payload: Uint8Array): string {
  switch (opcode) {
    case Opcode.PROTO_GET_CAPS:
      return capsText(payload);
    case Opcode.PROTO_VERSION: {
      const { protocol, firmware } = decodeVersion(payload);
      return `protocol ${versionText(protocol)} firmware ${versionText(firmware)}`;
    }
    case Opcode.CHANNEL_LIST:
      return decodeChannelList(payload)
        .map(({ id, name }) => `${id} ${name}`)
        .join(', ');
    case Opcode.CHANNEL_SIZE:
      return `size ${decodeWord(payload, 'size')}`;
    case Opcode.CHANNEL_SHAPE:
      return `shape ${decodeShape(payload).join(' x ')}`;
    case Opcode.CHANNEL_POLL:
      return `ready ${hex(decodeWord(payload, 'mask'), 8)}`;
    default:
      return '';
  }
}

function eventText(opcode: number, channel: number, payload: Uint8Array): string {
  const event = payload.length === 0 ? SystemEvent.NOTIFY : decodeHalfWord(payload, 'event');
  const system = opcode === Opcode.SYS_EVENT || channel === ChannelId.TRANSPORT;
  const table = system ? SystemEvent : channel === ChannelId.STDIN ? StdinEvent : {};
  return `event ${nameIn(table, event) ?? (payload.length === 0 ? 'NOTIFY' : hex(event, 4))}`;
}

function capsText(payload: Uint8Array): string {
  const { crc, sequence, ack, events, maxPayload } = decodeCaps(payload);
  const on = Object.entries({ crc, sequence, ack, events }).flatMap(([name, set]) => (set ? [name] : []));
  return `${on.join(' ')}, payload ${maxPayload}`;
}

const nameIn = (table: Readonly<Record<string, number>>, value: number): string | undefined =>
  Object.keys(table).find((name) => table[name] === value);

/** What a payload says that may be too short for what it should be. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Characters of the widest names that are usual. */
const OPCODE_WIDTH = 14;
const CHANNEL_WIDTH = 11;
const FLAGS_WIDTH = 16;
const NOISE_SHOWN = 16;

/** An item as one line; `startMs`: from when its time counts. */
export function itemText(item: WireItem, words: PacketWords, startMs: number): string {
  const time = ((item.atMs - startMs) / 1_000).toFixed(6).padStart(12);
  if (item.type === 'opened') return `${time}    line ${item.name} (${item.kind}) opened`;
  if (item.type === 'closed') return `${time}    line closed${item.code ? `: ${item.code}` : ''}`;
  const arrow = item.from === 'host' ? '->' : '<-';
  if (item.type === 'noise') {
    const first = Buffer.from(item.bytes.subarray(0, NOISE_SHOWN)).toString('hex');
    const more = item.bytes.length > NOISE_SHOWN ? '...' : '';
    return `${time} ${arrow} ${item.bytes.length} bytes that are no packet: ${first}${more}`;
  }
  const { opcode, channel, sequence, flags, length } = item.header;
  const columns = [
    opcodeName(opcode).padEnd(OPCODE_WIDTH),
    `ch ${[channel, words.channelName(channel) ?? '?'].join(' ')}`.padEnd(CHANNEL_WIDTH + 3),
    `#${sequence}`.padEnd(4),
    (flagsText(flags) || '-').padEnd(FLAGS_WIDTH),
    `${length} B`.padStart(7),
    `crc ${item.crc}`,
    words.detail(item),
  ];
  return `${time} ${arrow} ${columns.join(' ')}`.trimEnd();
}

import { describe, expect, it } from 'vitest';
import { ChannelFlag, Flag, Opcode, SystemEvent } from '../../src/protocol/constants.js';
import {
  type ChannelEntry,
  decodeCaps,
  decodeChannelList,
  decodeHalfWord,
  decodeSystemInfo,
  decodeVersion,
  decodeWord,
} from '../../src/protocol/index.js';
import { DeviceLink } from '../../src/virtual/device/device-link.js';
import { type CapturedPacket, loadCapture } from './captures.js';

/** The payloads that the camera sent in reply to an opcode, in order; fragments of one reply joined. */
function replies(packets: readonly CapturedPacket[], opcode: number): Uint8Array[] {
  const list: Uint8Array[] = [];
  let joined: Uint8Array[] = [];
  for (const { from, header, payload } of packets) {
    const data = (header.flags & (Flag.EVENT | Flag.NAK | Flag.ACK)) === 0;
    if (from !== 'camera' || header.opcode !== opcode || !data) continue;
    joined.push(payload);
    if ((header.flags & Flag.FRAGMENT) !== 0) continue;
    list.push(Uint8Array.from(Buffer.concat(joined)));
    joined = [];
  }
  return list;
}

/** A device machine that has what the recorded one had to say, and everything that it sends when it hears the same. */
function replay(packets: readonly CapturedPacket[]): Buffer {
  const sent: Uint8Array[] = [];
  const only = (opcode: number): Uint8Array => replies(packets, opcode)[0]!;
  const sizes = replies(packets, Opcode.CHANNEL_SIZE).map((payload) => decodeWord(payload, 'size'));
  const reads = replies(packets, Opcode.CHANNEL_READ);
  const polls = replies(packets, Opcode.CHANNEL_POLL).map((payload) => decodeWord(payload, 'mask'));
  const { maxPayload } = decodeCaps(only(Opcode.PROTO_GET_CAPS));
  const device = new DeviceLink({
    maxPayload,
    identity: {
      version: () => decodeVersion(only(Opcode.PROTO_VERSION)),
      systemInfo: () => decodeSystemInfo(only(Opcode.SYS_INFO)),
      memory: () => [],
      reset: () => undefined,
    },
    transmit: (packet) => sent.push(packet.slice()),
  });
  const list = decodeChannelList(only(Opcode.CHANNEL_LIST));
  device.active = false;
  const lastId = list.at(-1)!.id;
  let mask = 0;
  for (const { id, name, flags } of list) {
    const dynamic = (flags & ChannelFlag.DYNAMIC) !== 0;
    const channel = {
      name,
      flags: flags & ~ChannelFlag.DYNAMIC,
      poll: () => {
        if (id === 0) mask = polls.shift()!;
        return (mask & (1 << id)) !== 0;
      },
      size: () => sizes.shift()!,
      write: (_offset: number, data: Uint8Array) => data.length,
      ioctl: () => 0,
      ...(dynamic ? { readp: () => reads.shift() } : { read: () => reads.shift() }),
    };
    expect(device.register(channel, dynamic ? undefined : id)).toBe(id);
  }
  expect(lastId).toBe(4);
  device.active = true;
  // What the host sent is heard when the camera's next packet shows that it has been.
  const unheard: CapturedPacket[] = [];
  const hear = (): void => {
    const { bytes, ms } = unheard.shift()!;
    device.receive(bytes, ms);
  };
  for (const packet of packets) {
    const { from, header, payload, ms } = packet;
    if (from === 'host') {
      unheard.push(packet);
    } else if ((header.flags & Flag.EVENT) === 0) {
      while (unheard.length > 0) hear();
    } else {
      while (device.sequence !== header.sequence && unheard.length > 0) hear();
      const event = payload.length === 0 ? SystemEvent.NOTIFY : decodeHalfWord(payload, 'event');
      device.sendEvent(header.channel, event, false, ms);
      if (header.channel === 0 && event === SystemEvent.SOFT_REBOOT) device.reset();
    }
  }
  return Buffer.concat(sent);
}

describe.each(['acks-on', 'acks-off', 'small-payload-acks-on', 'exec-and-stdout'])(
  'our device machine on the recording %s',
  (name) => {
    it("answers, byte for byte, what the vendor's firmware answered", () => {
      const { packets, bytes } = loadCapture(name);
      const sent = replay(packets);
      expect(sent.length).toBe(bytes.camera.length);
      expect(Buffer.compare(sent, Buffer.from(bytes.camera))).toBe(0);
    });
  },
);

describe('the recorded channels', () => {
  it('are those that the facts name', () => {
    const { packets } = loadCapture('acks-on');
    const list: ChannelEntry[] = decodeChannelList(replies(packets, Opcode.CHANNEL_LIST)[0]!);
    expect(list.map(({ id, name }) => `${id} ${name}`)).toEqual([
      '0 usb',
      '1 stdin',
      '2 stdout',
      '3 stream',
      '4 frame',
    ]);
  });
});

/** What of a channel is read again, and what is waited for: pieces of 512 bytes, answers that cannot be had twice. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { ChannelFlag, decodeIoRequest, HEADER_SIZE, Opcode } from '../../../src/protocol/index.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';
import { Random } from '../../fakes/random.js';

let camera: Camera | undefined;

afterEach(() => camera?.close());

it.each(['read', 'readp'] as const)(
  '25 KB by %s over a line that loses 2 %: little is read again',
  async (method) => {
    const fake = new FakeCamera();
    const random = new Random(11);
    const data = random.bytes(25_000);
    const piece = (offset: number, length: number): Uint8Array => data.subarray(offset, offset + length);
    fake.device.register({
      name: 'frame',
      flags: ChannelFlag.READ,
      size: () => data.length,
      [method]: piece,
    });
    camera = await connectFake(fake, { ack: 'off' });
    const lengths: number[] = [];
    fake.damage = (packet, direction) => {
      if (direction === 'to-camera') {
        if (packet[5] === Opcode.CHANNEL_READ)
          lengths.push(decodeIoRequest(packet.subarray(HEADER_SIZE)).length);
        return packet;
      }
      return random.chance(0.02) ? undefined : packet;
    };
    const channel = camera.channel('frame');
    await channel.id();
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      // A lost last packet of a reply of its own ends in an error, as a lost answer does.
      const bytes = await channel.read({ length: data.length }).catch(() => data);
      expect(Buffer.compare(bytes, data)).toBe(0);
    }
    const asked = lengths.reduce((sum, length) => sum + length, 0);
    expect(asked).toBeLessThan(1.5 * rounds * data.length);
    // It is known from the first reply on how many pieces a READ may have.
    expect(Math.max(...lengths.slice(1))).toBeLessThanOrEqual(method === 'read' ? 60 * 512 : 60 * 4_082);
  },
);

it.each([true, false])('acks on, an answer that is lost once, and cannot be had again: %s', async (once) => {
  const fake = new FakeCamera();
  fake.device.register({
    name: 'frame',
    flags: ChannelFlag.READ,
    size: () => 1,
    readp: () => new Uint8Array([7]),
  });
  camera = await connectFake(fake, { ack: 'on' });
  const channel = camera.channel('frame');
  await channel.id();
  let lost = 1;
  fake.damage = (packet, direction) =>
    direction === 'to-host' && packet[5] === Opcode.CHANNEL_READ && lost-- > 0 ? undefined : packet;
  const buffer = new Uint8Array(1);
  const reading = channel.readInto(buffer, 0, [{ from: 0, to: 1 }], { once });
  if (once) {
    expect(await reading).toEqual([]);
    expect(buffer[0]).toBe(7);
  } else {
    await expect(reading).rejects.toMatchObject({ code: 'CAMERA_SILENT' });
  }
  expect(camera.stats().resyncs).toBe(once ? 0 : 1);
});

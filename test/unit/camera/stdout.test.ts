/** What the camera says of its stdout is not believed without bounds. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { ChannelFlag, ChannelId, Opcode } from '../../../src/protocol/index.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';

let camera: Camera | undefined;

afterEach(() => camera?.close());

/** A camera with so much on its stdout, and the lengths of the READs that it is asked for. */
function withText(text: string, claimed = text.length): { fake: FakeCamera; lengths: number[] } {
  const fake = new FakeCamera();
  const lengths: number[] = [];
  let left = new TextEncoder().encode(text);
  let claim = claimed;
  fake.device.register(
    {
      name: 'stdout',
      flags: ChannelFlag.READ,
      size: () => claim,
      read: (_offset, length) => {
        const piece = left.subarray(0, length);
        left = left.subarray(piece.length);
        claim = left.length === 0 ? 0 : claim - piece.length;
        return piece;
      },
    },
    ChannelId.STDOUT,
  );
  fake.damage = (packet, direction) => {
    if (direction === 'to-camera' && packet[5] === Opcode.CHANNEL_READ) {
      lengths.push(new DataView(packet.buffer, packet.byteOffset).getUint32(14, true));
    }
    return packet;
  };
  return { fake, lengths };
}

async function printed(fake: FakeCamera, length: number): Promise<string> {
  let text = '';
  camera = await connectFake(fake);
  const whole = new Promise<void>((resolve) => {
    camera!.stdout$.subscribe((piece) => {
      text += piece;
      if (text.length >= length) resolve();
    });
  });
  fake.device.sendEvent(ChannelId.STDOUT, 0, false, performance.now());
  await whole;
  return text;
}

it('a size of 4 GiB costs no more memory than a few rings, and the text comes', async () => {
  const { fake, lengths } = withText('all there is\n', 0xffff_ffff);
  expect(await printed(fake, 13)).toBe('all there is\n');
  expect(Math.max(...lengths)).toBeLessThanOrEqual(4_096);
});

it('more text than is read at once comes in several READs, whole', async () => {
  const text = Array.from({ length: 10_000 }, (_, index) => String.fromCharCode(32 + (index % 90))).join('');
  const { fake, lengths } = withText(text);
  expect(await printed(fake, text.length)).toBe(text);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(10_000);
});

/** What a script answers on its control channel is bounded in size and depth before it is parsed. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { ChannelFlag } from '../../../src/protocol/index.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';

let camera: Camera | undefined;

afterEach(() => camera?.close());

it.each([
  [
    'nested 5,000 deep',
    (id: number) => `{"id":${id},"values":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    'deep',
  ],
  ['of 5,000 values', (id: number) => `{"id":${id},"values":[${'0,'.repeat(5_000)}0]}`, 'values'],
  ['of 20,000 bytes', (id: number) => `{"id":${id},"values":"${'x'.repeat(20_000)}"}`, '20'],
  ['that is no JSON', (id: number) => `{"id":${id}`, 'not the JSON'],
])('%s: CAMERA_PROTOCOL says so', async (_name, make, said) => {
  const fake = new FakeCamera();
  let reply: Uint8Array = new Uint8Array(0);
  let id = 0;
  fake.device.register({
    name: 'control',
    flags: ChannelFlag.READ | ChannelFlag.WRITE,
    write: (_offset, data) => {
      id = (JSON.parse(new TextDecoder().decode(data)) as { id: number }).id;
      reply = new TextEncoder().encode(make(id));
      return data.length;
    },
    shape: () => [reply.length, id],
    readp: (offset, length) => reply.subarray(offset, offset + length),
  });
  camera = await connectFake(fake);
  await expect(camera.controls.get()).rejects.toMatchObject({
    code: 'CAMERA_PROTOCOL',
    message: expect.stringContaining(said) as string,
  });
});

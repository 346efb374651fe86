/** Options that only a recording has a use for: the library refuses them as the command line does. */
import { describe, expect, it } from 'vitest';
import { createBridge } from '../../../src/bridge/index.js';
import { connectCamera } from '../../../src/camera/index.js';
import { expectRecording, recordingOf } from '../../../src/options/index.js';

it('a port is a recording, or it is not', () => {
  expect(recordingOf('replay:/tmp/a.mcap')).toBe('/tmp/a.mcap');
  expect(recordingOf('/dev/replay:')).toBeUndefined();
});

describe('without a recording', () => {
  const refused = { code: 'OPTION_INVALID', context: { options: ['speed'] } };

  it.each(['virtual', 'auto', '/dev/ttyACM0'])('%s takes no speed', async (port) => {
    for (const speed of ['max', 2, 0.5] as const) {
      expect(() => createBridge({ port, speed })).toThrow(expect.objectContaining(refused));
      await expect(connectCamera({ port, speed })).rejects.toMatchObject(refused);
    }
    expect(() => createBridge({ port, speed: 1 })).not.toThrow();
  });

  it('both are named', () => {
    expect(() => expectRecording(['virtual'], { speed: 'max', loop: true })).toThrow(
      'speed and loop have no effect without a recording to replay',
    );
    expect(() => expectRecording([], { loop: true })).toThrow('loop has no effect');
  });
});

it('with one among several ports both are taken', () => {
  expectRecording(['virtual', 'replay:a'], { speed: 'max', loop: true });
  createBridge({ port: 'replay:a', speed: 'max' });
});

/** A script that was sent runs once, whatever becomes of the answers; when that cannot be known, `exec` says so. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import {
  ChannelFlag,
  ChannelId,
  decodeIoctlRequest,
  Flag,
  HEADER_SIZE,
  Opcode,
  StdinEvent,
  StdinIoctl,
} from '../../../src/protocol/index.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';

let camera: Camera | undefined;

afterEach(() => camera?.close());

interface Stdin {
  readonly fake: FakeCamera;
  /** Scripts that ran. */
  readonly ran: string[];
  /** Milliseconds that a script takes. */
  runsFor: number;
}

/** The camera's script input as the vendor's firmware has it: what was uploaded is gone when it has run. */
function withStdin(): Stdin {
  const fake = new FakeCamera();
  fake.running = false;
  const ran: string[] = [];
  let script = '';
  const stdin: Stdin = { fake, ran, runsFor: 0 };
  fake.device.register(
    {
      name: 'stdin',
      flags: ChannelFlag.WRITE | ChannelFlag.EXEC,
      poll: () => fake.running,
      write: (offset, data) => {
        script = (offset === 0 ? '' : script) + new TextDecoder().decode(data);
        return data.length;
      },
      ioctl: (request) => {
        if (request === StdinIoctl.RESET) script = '';
        if (request !== StdinIoctl.EXEC) return 0;
        if (script === '') return -1;
        ran.push(script);
        fake.running = true;
        fake.clock.after(1, () =>
          fake.device.sendEvent(ChannelId.STDIN, StdinEvent.STARTED, false, fake.clock.now()),
        );
        fake.clock.after(1 + stdin.runsFor, () => {
          script = '';
          fake.running = false;
          fake.device.sendEvent(ChannelId.STDIN, StdinEvent.STOPPED, false, fake.clock.now());
        });
        return 0;
      },
    },
    ChannelId.STDIN,
  );
  return stdin;
}

const isExec = (packet: Uint8Array): boolean =>
  packet[5] === Opcode.CHANNEL_IOCTL &&
  decodeIoctlRequest(packet.subarray(HEADER_SIZE, HEADER_SIZE + 4)).request === StdinIoctl.EXEC;

/** Loses so many EXEC requests, or answers to them, and all events of stdin if asked to. */
function lose(fake: FakeCamera, what: 'request' | 'answer', times: number, events: boolean): void {
  let left = times;
  let asked = false;
  fake.damage = (packet, direction) => {
    if (direction === 'to-camera') {
      asked = isExec(packet);
      if (!asked || what !== 'request' || left === 0) return packet;
      left--;
      return undefined;
    }
    if ((packet[4]! & Flag.EVENT) !== 0) return events ? undefined : packet;
    if (packet[5] !== Opcode.CHANNEL_IOCTL || !asked || what !== 'answer' || left === 0) return packet;
    left--;
    return undefined;
  };
}

it.each([
  ['a long script, its answer lost', 'answer', 10_000, 1, false],
  ['a long script, its answer and all events lost', 'answer', 10_000, 1, true],
  ['a short script, its answer lost', 'answer', 0, 1, false],
  ['a short script, its answer and all events lost', 'answer', 0, 1, true],
  ['the request lost', 'request', 10_000, 1, false],
  ['the request of a short script lost twice, and all events', 'request', 0, 2, true],
] as const)('%s', async (_name, what, runsFor, times, events) => {
  const stdin = withStdin();
  stdin.runsFor = runsFor;
  camera = await connectFake(stdin.fake);
  lose(stdin.fake, what, times, events);
  await camera.exec('move()');
  expect(stdin.ran).toEqual(['move()']);
});

it('an error says that it cannot be known, when no EXEC is answered and nothing is seen', async () => {
  const stdin = withStdin();
  camera = await connectFake(stdin.fake);
  lose(stdin.fake, 'answer', 1_000, true);
  await expect(camera.exec('move()')).rejects.toMatchObject({
    code: 'SCRIPT_FAILED',
    context: { unknown: true },
    message: expect.stringContaining('may have run') as string,
  });
  expect(stdin.ran).toEqual(['move()']);
});

/** An AbortSignal ends every wait of channels, scripts, stdout and controls: at once, with its reason. */
import { getEventListeners } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { Channel } from '../../../src/camera/channel.js';
import { CameraControls } from '../../../src/camera/controls.js';
import { Scripts } from '../../../src/camera/script.js';
import { Session } from '../../../src/camera/session.js';
import { StdoutReader } from '../../../src/camera/stdout.js';
import { LinkDriver } from '../../../src/link/link-driver.js';
import { ChannelFlag, Opcode } from '../../../src/protocol/constants.js';
import { FakeCamera } from '../../fakes/fake-camera.js';

const reason = new Error('the state was left');
const drivers: LinkDriver[] = [];

afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close();
});

async function sessionOn(fake: FakeCamera): Promise<Session> {
  const driver = new LinkDriver(
    fake,
    { wanted: { crc: true, sequence: true, ack: false, events: true, maxPayload: 4_082 } },
    {
      event: (channel, event) => session.take(channel, event),
      resynced: () => session.invalidate(),
      closed: () => undefined,
    },
  );
  const session = new Session(driver);
  drivers.push(driver);
  await driver.connect();
  return session;
}

/** Resolves when the host has sent `times` requests of that opcode; what `answered` refuses is not answered. */
function seen(fake: FakeCamera, opcode: number, times: number, answered = true): Promise<void> {
  let left = times;
  return new Promise((resolve) => {
    fake.damage = (packet, direction) => {
      if (direction === 'to-camera' && packet[5] === opcode) {
        if (--left === 0) setTimeout(resolve, 3);
        if (!answered) return undefined;
      }
      return packet;
    };
  });
}

interface Case {
  readonly name: string;
  readonly opcode: number;
  readonly times?: number;
  readonly answered?: boolean;
  readonly running?: boolean;
  start(session: Session, signal: AbortSignal): Promise<unknown>;
}

const scripts = (session: Session): Scripts => new Scripts(session);
const channel = (session: Session, name = 'busy'): Channel => new Channel(name, session);

const CASES: readonly Case[] = [
  {
    name: 'the channel table',
    opcode: Opcode.CHANNEL_LIST,
    answered: false,
    start: (session, signal) => channel(session).size(signal),
  },
  {
    name: 'a lock that is refused again and again',
    opcode: Opcode.CHANNEL_LOCK,
    times: 3,
    start: (session, signal) => channel(session).lock(signal),
  },
  {
    name: 'a READ',
    opcode: Opcode.CHANNEL_READ,
    answered: false,
    start: (session, signal) => channel(session).read({ length: 100, signal }),
  },
  {
    name: 'stop, waiting for the script to end',
    opcode: Opcode.CHANNEL_IOCTL,
    times: 3,
    running: true,
    start: (session, signal) => scripts(session).stop(signal),
  },
  {
    name: 'exec, uploading',
    opcode: Opcode.CHANNEL_WRITE,
    answered: false,
    start: (session, signal) => scripts(session).exec('pass', signal),
  },
  {
    name: 'exec, waiting for the script to start',
    opcode: Opcode.CHANNEL_POLL,
    times: 4,
    start: (session, signal) => scripts(session).exec('pass', signal),
  },
  {
    name: 'a control request that is not answered',
    opcode: Opcode.CHANNEL_SHAPE,
    times: 4,
    start: (session, signal) => new CameraControls(session).get(signal),
  },
  {
    name: 'a control request behind another',
    opcode: Opcode.CHANNEL_SHAPE,
    times: 2,
    start: (session, signal) => {
      const controls = new CameraControls(session);
      controls.get().catch(() => undefined);
      return controls.set({ quality: 50 }, signal);
    },
  },
];

it.each(CASES)('$name', async ({ opcode, times = 1, answered = true, running = false, start }) => {
  const fake = new FakeCamera();
  fake.running = running;
  const flags = ChannelFlag.READ | ChannelFlag.WRITE | ChannelFlag.LOCK;
  fake.device.register({ name: 'busy', flags, size: () => 100, lock: () => false });
  fake.device.register({
    name: 'control',
    flags,
    shape: () => [0, 0],
    write: (_offset, data) => data.length,
  });
  const session = await sessionOn(fake);
  const abort = new AbortController();
  const reached = seen(fake, opcode, times, answered);
  const begun = start(session, abort.signal);
  let ended: unknown;
  begun.catch((error: unknown) => {
    ended = error;
  });
  await reached;
  expect(ended).toBeUndefined();
  abort.abort(reason);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  expect(ended).toBe(reason);
  expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
});

it('stdout that is closed while it is read', async () => {
  const fake = new FakeCamera();
  const session = await sessionOn(fake);
  const texts: string[] = [];
  const reader = new StdoutReader(session, (text) => texts.push(text));
  const reached = seen(fake, Opcode.CHANNEL_SIZE, 1, false);
  reader.drain();
  await reached;
  reader.close();
  reader.drain();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(session.driver.stats.requests).toBe(2);
  expect(texts).toEqual([]);
});

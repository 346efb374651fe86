import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { openVirtualCamera } from '../../../src/virtual/index.js';
import { sleep, TestHost, until } from './host.js';
import { blank, camera, host } from './setup.js';

const code = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error instanceof BridgeError ? error.code : error;
  }
  return undefined;
};

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const resources = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => !['PipeWrap', 'Immediate'].includes(name))
    .sort();

describe('a virtual camera', () => {
  it('has one host at a time, and others after it', async () => {
    const made = await camera();
    const first = await host(made);
    expect(code(() => made.connect())).toBe('PORT_BUSY');
    await first.close();
    const second = await host(made);
    expect((await second.frame(await second.channel('frame'))).length).toBeGreaterThan(1000);
  });

  it('tells of its line that it is virtual', async () => {
    const line = (await camera({ script: null })).connect();
    expect([line.name, line.kind]).toEqual(['virtual', 'virtual']);
    let closed = 0;
    line.start({ data: () => {}, closed: () => closed++ });
    await line.close();
    await line.close();
    expect(closed).toBe(1);
    line.write(Uint8Array.of(1));
  });

  it('forgets what an earlier host left on the line', async () => {
    const { camera: made, host: guest } = await blank();
    await guest.close();
    const rude = made.connect();
    rude.start({ data: () => {}, closed: () => {} });
    // The beginning of a packet that never comes to its end, and a request no one waits for.
    rude.write(Uint8Array.of(0xaa, 0xd5, 0, 0, 0, 0x20, 0, 0));
    await rude.close();
    const next = await host(made);
    expect(await next.channels()).toHaveLength(4);
    expect(next.driver.stats.discardedBytes).toBe(0);
  });

  it('two of them are told apart and do not disturb each other', async () => {
    const [one, two] = await Promise.all([camera({ id: 1, fps: 'max' }), camera({ id: 2, fps: 'max' })]);
    expect([one!.deviceId[2], two!.deviceId[2]]).toEqual([1, 2]);
    const guests = await Promise.all([host(one!), host(two!)]);
    const frames = await Promise.all(
      guests.map(async (guest) => {
        const channel = await guest.channel('frame');
        let count = 0;
        for (; count < 40; count++) await guest.frame(channel);
        return count;
      }),
    );
    expect(frames).toEqual([40, 40]);
    await one!.close();
    expect((await guests[1]!.frame(await guests[1]!.channel('frame'))).length).toBeGreaterThan(1000);
  });

  it('unplugged: the line ends with PORT_CLOSED, and can be connected again', async () => {
    const made = await camera();
    const guest = await host(made);
    await guest.channel('frame');
    made.unplug();
    expect(guest.closed?.error).toMatchObject({ code: 'PORT_CLOSED' });
    const again = await host(made);
    expect(await again.running()).toBe(true);
  });

  it('reset by its host: drops off, boots again, runs main.py again', async () => {
    const made = await camera();
    const guest = await host(made);
    await guest.channel('frame');
    await guest.stop();
    void guest.request(Opcode.SYS_RESET, 0, new Uint8Array(0), { silent: true });
    await until('the line to end', () => guest.closed);
    expect(guest.closed?.error).toMatchObject({ code: 'PORT_CLOSED' });
    const again = await host(made);
    await until('main.py to run', () => again.running());
    expect((await again.frame(await again.channel('frame'))).length).toBeGreaterThan(1000);
  });

  it('reset by its script: the same', async () => {
    const { camera: made, host: guest } = await blank();
    await guest.exec('import machine\nmachine.reset()\n');
    await until('the line to end', () => guest.closed);
    const again = await host(made);
    expect(await again.running()).toBe(false);
  });

  it('survives resets in quick succession', async () => {
    const made = await camera({ script: null });
    for (let count = 0; count < 5; count++) made.reset();
    await sleep(20);
    made.reset();
    const guest = await host(made);
    expect(await guest.channels()).toHaveLength(4);
  });

  it('closed: its line ends, and it cannot be connected any more', async () => {
    const made = await camera();
    const guest = await TestHost.connect(made.connect());
    await made.close();
    await made.close();
    expect(guest.closed?.error).toMatchObject({ code: 'PORT_CLOSED' });
    expect(code(() => made.connect())).toBe('PORT_CLOSED');
  });

  it('closed: leaves no thread, port or timer behind', async () => {
    // What stays for good, sharp's threads among it, is there after the first one.
    await (await openVirtualCamera()).close();
    const before = resources();
    for (let count = 0; count < 3; count++) {
      const made = await openVirtualCamera({ fps: 'max' });
      const guest = await TestHost.connect(made.connect());
      await guest.frame(await guest.channel('frame'));
      if (count !== 1) await guest.close();
      await made.close();
    }
    // The test's own last wait may still have its timer.
    await expect.poll(resources).toEqual(before);
  });

  it('closed while it boots, or in the middle of a frame, is closed', async () => {
    const made = await camera({ fps: 'max' });
    const guest = await host(made);
    const channel = await guest.channel('frame');
    const frame = rejection(guest.frame(channel));
    await made.close();
    expect(await frame).toBeInstanceOf(Error);
    const booting = await camera({ script: null });
    booting.reset();
    await booting.close();
    expect(code(() => booting.connect())).toBe('PORT_CLOSED');
  });

  it.each([0, 1, 5, 20])('opening is given up %i ms after it began, and leaves nothing', async (ms) => {
    await (await openVirtualCamera()).close();
    const before = resources();
    const abort = new AbortController();
    const opening = openVirtualCamera({ fps: 'max' }, abort.signal);
    const reason = new Error('not wanted any more');
    if (ms === 0) abort.abort(reason);
    else setTimeout(() => abort.abort(reason), ms);
    expect(await rejection(opening)).toBe(reason);
    expect(await rejection(openVirtualCamera({}, abort.signal))).toBe(reason);
    await expect.poll(resources).toEqual(before);
  });

  it('refuses wrong options by name', async () => {
    const wrong = { fps: -1, maxPayload: 10, colour: 'red' };
    const error = (await rejection(openVirtualCamera(wrong))) as BridgeError;
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.message).toMatch(/fps/);
    expect(error.message).toMatch(/maxPayload/);
    expect(error.message).toMatch(/colour/);
    expect(await rejection(openVirtualCamera({ faults: '2' }))).toMatchObject({ code: 'OPTION_INVALID' });
    expect(await rejection(openVirtualCamera({ script: '/no/such/script.py' }))).toMatchObject({
      code: 'FILE_FAILED',
    });
    expect(await rejection(openVirtualCamera({ images: '/no/such/directory' }))).toMatchObject({
      code: 'FILE_FAILED',
    });
    expect(await rejection(openVirtualCamera({ ledger: '/no/such/directory/ledger' }))).toMatchObject({
      code: 'FILE_FAILED',
    });
  });
});

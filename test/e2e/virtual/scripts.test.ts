import { describe, expect, it } from 'vitest';
import {
  ChannelId,
  Opcode,
  Status,
  StdinEvent,
  StdinIoctl,
  SystemEvent,
} from '../../../src/protocol/constants.js';
import { until } from './host.js';
import { blank, camera, host } from './setup.js';

const STDIN = ChannelId.STDIN;

it('a stop while no script runs begins the REPL again: banner and prompt', async () => {
  const { host: guest } = await blank();
  await guest.stdout();
  await guest.ioctl(ChannelId.STDIN, StdinIoctl.STOP);
  const text = await guest.stdoutUntil('>>> ');
  expect(text).toMatch(/^OpenMV v5\.0\.0; .*\r\nType "help\(\)" for more information\.\r\n>>> $/);
  expect(await guest.stdout()).toBe('');
});

it('what is printed at once goes to stdout at once: the end of a string that does not fit stays', async () => {
  const { host: guest } = await blank();
  await guest.exec("import time\nprint('a' * 1000, 'b' * 1500, end='')\ntime.sleep(60)\n");
  await guest.event(ChannelId.STDIN, 1);
  const text = await guest.stdoutUntil('b');
  expect(text).toBe('b'.repeat(1_023));
});

describe('scripts on a virtual camera', () => {
  it('print to stdout, and their end restarts the interpreter and the protocol', async () => {
    const { host: guest } = await blank();
    const numberBefore = guest.driver.stats.resyncs;
    await guest.exec("import time\nfor i in range(3):\n    print('tick', i)\n    time.sleep_ms(5)\n");
    await guest.event(STDIN, StdinEvent.STARTED);
    await guest.event(STDIN, StdinEvent.STOPPED);
    await guest.event(0, SystemEvent.SOFT_REBOOT);
    expect(await guest.stdoutUntil('soft reboot')).toContain('tick 0\r\ntick 1\r\ntick 2\r\n');
    expect(guest.resyncs).toContain('reboot');
    expect(guest.driver.stats.resyncs).toBeGreaterThan(numberBefore);
    expect(await guest.running()).toBe(false);
    const order = guest.events
      .filter(
        ({ channel, event }) => channel === STDIN || (channel === 0 && event === SystemEvent.SOFT_REBOOT),
      )
      .map(({ channel, event }) => [channel, event]);
    expect(order).toEqual([
      [STDIN, StdinEvent.STARTED],
      [STDIN, StdinEvent.STOPPED],
      [0, SystemEvent.SOFT_REBOOT],
    ]);
  });

  it('that raise leave a traceback', async () => {
    const { host: guest } = await blank();
    await guest.exec("import csi\n\ndef fail():\n    raise ValueError('no such thing')\n\nfail()\n");
    expect(await guest.stdoutUntil('soft reboot')).toContain(
      'Traceback (most recent call last):\r\n  File "<stdin>", line 6, in <module>\r\n  File "<stdin>", line 4, in fail\r\nValueError: no such thing\r\n',
    );
  });

  it('show no lines of the firmware in a traceback', async () => {
    const { host: guest } = await blank();
    await guest.exec('import csi\ncamera = csi.CSI()\ncamera.snapshot()\n');
    expect(await guest.stdoutUntil('soft reboot')).toContain(
      'File "<stdin>", line 3, in <module>\r\nRuntimeError: Pixel format is not supported or is not set.\r\n',
    );
  });

  it('with a syntax error are reported like others', async () => {
    const { host: guest } = await blank();
    await guest.exec('def broken(:\n    pass\n');
    expect(await guest.stdoutUntil('soft reboot')).toContain('SyntaxError: invalid syntax');
  });

  it('that leave by SystemExit leave no traceback', async () => {
    const { host: guest } = await blank();
    await guest.exec("import machine\nprint('bye')\nmachine.soft_reset()\nprint('not reached')\n");
    const text = await guest.stdoutUntil('soft reboot');
    expect(text).toContain('bye\r\n');
    expect(text).not.toContain('Traceback');
    expect(text).not.toContain('not reached');
  });

  for (const [what, script] of [
    ['an endless loop', 'while True: pass\n'],
    ['a long sleep', 'import time\ntime.sleep(1000)\nprint("woke")\n'],
    [
      'a wait for a frame',
      'import csi\nc = csi.CSI()\nc.reset()\nc.pixformat(csi.RGB565)\nc.framesize(csi.QVGA)\nc.framerate(1)\nwhile True: c.snapshot()\n',
    ],
    ['a loop that catches everything', 'while True:\n    try:\n        x = 1\n    except:\n        pass\n'],
    [
      'a function that catches everything',
      'def f():\n    while True:\n        try:\n            for i in range(9): pass\n        except BaseException:\n            pass\nf()\n',
    ],
  ] as const) {
    it(`are stopped in ${what}`, async () => {
      const { host: guest } = await blank();
      await guest.exec(script);
      await guest.event(STDIN, StdinEvent.STARTED);
      await guest.stop();
      const text = await guest.stdoutUntil('soft reboot');
      expect(text).toContain('KeyboardInterrupt');
      expect(text).not.toContain('woke');
      // What was meant for that script does not hit the next one.
      await guest.exec('for i in range(1000): pass\nprint("next")\n');
      const next = await guest.stdoutUntil('soft reboot');
      expect(next).toContain('next\r\n');
      expect(next).not.toContain('KeyboardInterrupt');
    });
  }

  it("main.py: stopped, its channels still answer, and a new script's come behind them", async () => {
    const made = await camera();
    const guest = await host(made);
    const old = await guest.channel('frame');
    await guest.stop();
    expect((await guest.channels()).filter(({ name }) => name === 'frame')).toHaveLength(1);
    expect(await guest.shape(old)).toHaveLength(4);
    await guest.exec(
      "import protocol, time\nclass B:\n    def size(self): return 7\nprotocol.register(name='frame', backend=B())\ntime.sleep(100)\n",
    );
    const channel = await until('the second channel', async () => {
      const found = (await guest.channels()).filter(({ name }) => name === 'frame');
      return found.length === 2 ? found[1]!.id : undefined;
    });
    expect(channel).toBeGreaterThan(old);
    expect(await guest.size(channel)).toBe(7);
    // Its end restarts the interpreter: no channel of either is left, and main.py does not run again.
    await guest.stop();
    await guest.event(0, SystemEvent.SOFT_REBOOT);
    await until(
      'the channels to go',
      async () => !(await guest.channels()).some(({ name }) => name === 'frame'),
    );
    expect(await guest.running()).toBe(false);
    expect((await guest.channels()).map(({ name }) => name)).toEqual(['usb', 'stdin', 'stdout', 'stream']);
  });

  it('get the first free channel id, again after each start', async () => {
    const { host: guest } = await blank();
    const register =
      "import protocol, time\nclass B:\n    def size(self): return 1\nfor name in ('one', 'two'): protocol.register(name=name, backend=B())\ntime.sleep(100)\n";
    await guest.exec(register);
    expect([await guest.channel('one'), await guest.channel('two')]).toEqual([4, 5]);
    await guest.stop();
    await until('the restart', () => guest.resyncs.includes('reboot'));
    await guest.exec(register.replace("('one', 'two')", "('two',)"));
    expect(await guest.channel('two')).toBe(4);
  });

  it('are refused when none was written', async () => {
    const { host: guest } = await blank();
    expect(await guest.ioctl(STDIN, StdinIoctl.EXEC)).toEqual({ kind: 'nak', status: Status.FAILED });
    await guest.upload('print("x")');
    await guest.ioctl(STDIN, StdinIoctl.RESET);
    expect(await guest.ioctl(STDIN, StdinIoctl.EXEC)).toEqual({ kind: 'nak', status: Status.FAILED });
  });

  it('uploaded while another uploaded one still runs are lost with its end', async () => {
    const { host: guest } = await blank();
    await guest.exec('while True: pass\n');
    await guest.event(STDIN, StdinEvent.STARTED);
    await guest.exec("print('second')\n");
    await guest.event(0, SystemEvent.SOFT_REBOOT);
    expect(await guest.stdoutUntil('soft reboot')).not.toContain('second');
    expect(await guest.running()).toBe(false);
  });

  it('find stdout limited to the newest 1023 bytes', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      "import protocol, time\nclass B: pass\nfor i in range(200): print('line %03d' % i)\nprotocol.register(name='done', backend=B())\ntime.sleep(100)\n",
    );
    await guest.channel('done');
    const text = await guest.stdout();
    expect(text.length).toBeLessThan(1024);
    expect(text).toMatch(/line 199\r\n$/);
    expect(text).not.toContain('line 000');
    expect(guest.events.some(({ channel }) => channel === ChannelId.STDOUT)).toBe(true);
  });

  it('may be larger than a packet', async () => {
    const { host: guest } = await blank({ maxPayload: 498 });
    expect(guest.driver.caps.maxPayload).toBe(498);
    await guest.exec(`${'# padding, padding, padding, padding\n'.repeat(200)}print('big enough')\n`);
    expect(await guest.stdoutUntil('soft reboot')).toContain('big enough');
  });

  it('in another alphabet keep their text', async () => {
    const { host: guest } = await blank();
    await guest.exec("print('Größe', 'размер', '大きさ')\n");
    expect(await guest.stdoutUntil('soft reboot')).toContain('Größe размер 大きさ\r\n');
  });

  it('that recurse or allocate without end are ended by an exception', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      'def f(): f()\ntry:\n    f()\nexcept RuntimeError as e: print(e)\nheap = []\nwhile True: heap.append(bytearray(1 << 24))\n',
    );
    const text = await guest.stdoutUntil('soft reboot');
    expect(text).toContain('maximum recursion depth exceeded\r\n');
    expect(text).toContain('MemoryError');
  });

  it('that fill the memory with small objects end in a traceback, which takes memory as well', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      'keep = [bytearray(1 << 20) for _ in range(370)]\npart = memoryview(keep[0])\nwhile True: part[0:1]\n',
    );
    expect(await guest.stdoutUntil('soft reboot')).toContain('MemoryError');
  });

  it('that destroy the interpreter look like a reset', async () => {
    const { camera: made, host: guest } = await blank();
    await guest.exec('import uctypes\nprint(sum(uctypes.bytes_at(0x7ff00000, 1000)))\n');
    await until('the line to end', () => guest.closed);
    expect(guest.closed?.error).toMatchObject({ code: 'PORT_CLOSED' });
    const again = await host(made);
    await again.exec("print('alive')\n");
    expect(await again.stdoutUntil('soft reboot')).toContain('alive');
  });

  it("find the camera's modules", async () => {
    const { host: guest } = await blank({ id: 258 });
    await guest.exec(
      [
        'import csi, image, machine, protocol, time, utime, gc, os, sys, json, math, struct, binascii',
        'from time import sleep_ms',
        'clock = time.clock()',
        'clock.tick()',
        'sleep_ms(20)',
        "print('fps', 0 < clock.fps() <= 50.0)",
        "print('ticks', time.ticks_diff(time.ticks_add(10, -5), 0))",
        "print('id', binascii.hexlify(machine.unique_id()).decode())",
        "print('active', protocol.is_active(), protocol.CHANNEL_FLAG_WRITE)",
        "led = machine.LED('LED_BLUE')",
        'led.toggle()',
        "print('led', led.value(), machine.Pin('P0', machine.Pin.OUT, value=1).value())",
        "print('same', utime is time)",
        'import sensor',
      ].join('\n'),
    );
    const text = await guest.stdoutUntil('soft reboot');
    expect(text).toContain('fps True\r\nticks 5\r\n');
    expect(text).toContain('id 00000102564952544f4d5642\r\nactive True 2\r\nled 1 1\r\nsame True\r\n');
    expect(text).toContain("ImportError: no module named 'sensor'");
  });
});

describe('a camera without a script', () => {
  it('answers the protocol', async () => {
    const { host: guest } = await blank({ id: 77 });
    expect((await guest.channels()).map(({ name }) => name)).toEqual(['usb', 'stdin', 'stdout', 'stream']);
    expect(await guest.running()).toBe(false);
    const info = await guest.query(Opcode.SYS_INFO, 0);
    expect(new DataView(info.buffer, info.byteOffset).getUint32(12, true)).toBe(77);
    expect((await guest.query(Opcode.SYS_MEMORY, 0)).length).toBe(4 + 24);
    expect([...(await guest.query(Opcode.PROTO_VERSION, 0)).subarray(0, 3)]).toEqual([1, 0, 2]);
  });
});

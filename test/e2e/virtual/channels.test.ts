import { describe, expect, it } from 'vitest';
import { ChannelFlag, Flag, Opcode, Status, SystemEvent } from '../../../src/protocol/constants.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import type { VirtualCamera } from '../../../src/virtual/index.js';
import { sleep, TestHost, until } from './host.js';
import { blank } from './setup.js';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (characters: string): Uint8Array => new TextEncoder().encode(characters);
const refused = (status: number): unknown => ({ kind: 'nak', status });

/** A camera whose script registers `backend`, a class body, as the channel `it`. */
async function channelOf(
  body: string,
  { ack = false, options = '' } = {},
): Promise<{ guest: TestHost; id: number }> {
  const { host: guest } = await blank({}, { ack });
  await guest.exec(
    `import protocol, time\nclass Backend:\n${body.replace(/^/gm, '    ')}\nch = protocol.register(name='it', ${options}backend=Backend())\nprint(ch)\ntime.sleep(1000)\n`,
  );
  return { guest, id: await guest.channel('it') };
}

describe('channels of a script', () => {
  it('have flags by their methods, and a name of at most 13 characters', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      [
        'import protocol, time',
        'class R:\n    def read(self, offset, size): return b""',
        'class W:\n    def write(self, offset, data): return len(data)',
        'class L(R):\n    def lock(self): return True\n    def unlock(self): return True',
        "protocol.register(name='reader', backend=R())",
        "protocol.register(name='writer', backend=W())",
        "protocol.register(name='lockable', flags=protocol.CHANNEL_FLAG_WRITE, backend=L())",
        "protocol.register(name='a name that is too long', backend=R())",
        'time.sleep(1000)',
      ].join('\n'),
    );
    await guest.channel('a name that i');
    const { READ, WRITE, LOCK, DYNAMIC } = ChannelFlag;
    expect((await guest.channels()).slice(4)).toEqual([
      { id: 4, name: 'reader', flags: READ | DYNAMIC },
      { id: 5, name: 'writer', flags: WRITE | DYNAMIC },
      { id: 6, name: 'lockable', flags: READ | WRITE | LOCK | DYNAMIC },
      { id: 7, name: 'a name that i', flags: READ | DYNAMIC },
    ]);
    expect(
      guest.events.filter(({ channel, event }) => channel === 0 && event === SystemEvent.CHANNEL_REGISTERED),
    ).toHaveLength(4);
  });

  for (const ack of [false, true]) {
    it(`read() is asked for pieces of 512 bytes, acknowledgements ${ack ? 'on' : 'off'}`, async () => {
      const { guest, id } = await channelOf(
        'def init(self): self.asked = []\ndef size(self): return 1200\ndef read(self, offset, size):\n    self.asked.append((offset, size))\n    return bytes((offset + i) & 0xFF for i in range(size))\ndef shape(self): return tuple(size for offset, size in self.asked)',
        { ack },
      );
      const got = await guest.read(id, 0, 1200);
      expect([...got]).toEqual(Array.from({ length: 1200 }, (_, at) => at & 0xff));
      expect(await guest.shape(id)).toEqual([512, 512, 176]);
    });
  }

  it('read() may return text, and what it returns too much is cut', async () => {
    const { guest, id } = await channelOf("def read(self, offset, size): return 'HelloWorld!'[offset:]");
    expect(text(await guest.read(id, 0, 11))).toBe('HelloWorld!');
    expect(text(await guest.read(id, 6, 3))).toBe('orl');
  });

  it('readp() is asked once, and a read beyond its buffer gets bytes that are not its own', async () => {
    const { guest, id } = await channelOf(
      "asked = 0\ndata = bytearray(b'0123456789' * 1000)\ndef size(self): return 10000\ndef readp(self, offset, size):\n    self.asked += 1\n    return memoryview(self.data)[offset:offset + size]\ndef shape(self): return (self.asked,)",
    );
    expect(text(await guest.read(id, 0, 10000))).toBe('0123456789'.repeat(1000));
    expect(await guest.shape(id)).toEqual([1]);
    const beyond = await guest.read(id, 9990, 20);
    expect(beyond.length).toBe(20);
    expect(text(beyond.subarray(0, 10))).toBe('0123456789');
  });

  it('that refuse or raise are answered as the firmware answers', async () => {
    const { guest, id } = await channelOf(
      [
        'def size(self): raise ValueError',
        'def shape(self): return [1, 2]',
        'def readp(self, offset, size): return None if offset == 0 else 1 // 0',
        'def write(self, offset, data):',
        '    if offset == 1: raise OSError',
        '    return None if offset == 2 else len(data)',
        'def ioctl(self, request, length, data):',
        '    if request == 1: raise OSError',
        '    return {2: None, 3: 0, 4: 5}[request]',
        'def lock(self): return False',
        'def unlock(self): return True',
        'def poll(self): raise RuntimeError',
      ].join('\n'),
    );
    expect(await guest.size(id)).toBe(0);
    expect((await guest.query(Opcode.CHANNEL_SHAPE, id)).length).toBe(0);
    expect((await guest.tryRead(id, 0, 4)).outcome).toEqual(refused(Status.FAILED));
    expect((await guest.tryRead(id, 9, 4)).outcome).toEqual(refused(Status.FAILED));
    expect(await guest.write(id, 0, bytes('x'))).toEqual({ kind: 'ack' });
    expect(await guest.write(id, 1, bytes('x'))).toEqual({ kind: 'ack' });
    expect(await guest.write(id, 2, bytes('x'))).toEqual(refused(Status.FAILED));
    const ioctls = [];
    for (const request of [1, 2, 3, 4]) ioctls.push(await guest.ioctl(id, request));
    expect(ioctls).toEqual([
      refused(Status.FAILED),
      { kind: 'ack' },
      { kind: 'ack' },
      refused(Status.FAILED),
    ]);
    expect(await guest.request(Opcode.CHANNEL_LOCK, id)).toEqual(refused(Status.BUSY));
    expect(await guest.request(Opcode.CHANNEL_UNLOCK, id)).toEqual({ kind: 'ack' });
    expect(await guest.poll(id)).toBe(false);
    expect(await guest.running()).toBe(true);
    expect(await guest.stdout()).toBe('<ProtocolChannel: it>\r\n');
  });

  it('without a method refuse what needs it', async () => {
    const { guest, id } = await channelOf('pass');
    expect((await guest.tryRead(id, 0, 1)).outcome).toEqual(refused(Status.INVALID));
    expect(await guest.write(id, 0, bytes('x'))).toEqual(refused(Status.INVALID));
    expect(await guest.ioctl(id, 1)).toEqual(refused(Status.INVALID));
    expect(await guest.request(Opcode.CHANNEL_SIZE, id)).toEqual(refused(Status.INVALID));
  });

  it('take what the host writes, while the script sleeps', async () => {
    const { guest, id } = await channelOf(
      'def init(self): self.got = bytearray(100)\ndef size(self): return 100\ndef write(self, offset, data):\n    self.got[offset:offset + len(data)] = data\n    return len(data)\ndef ioctl(self, request, length, data):\n    self.got[90] = request\n    self.got[91] = length\n    if data: self.got[92:92 + length] = data\ndef readp(self, offset, size): return memoryview(self.got)[offset:offset + size]',
    );
    await guest.write(id, 5, bytes('hello'));
    await guest.ioctl(id, 7, bytes('abc'));
    const got = await guest.read(id, 0, 100);
    expect(text(got.subarray(5, 10))).toBe('hello');
    expect([...got.subarray(90, 95)]).toEqual([7, 3, ...bytes('abc')]);
  });

  it('are called at any time without disturbing what the script is doing', async () => {
    const { host: guest } = await blank({ fps: 'max' });
    await guest.exec(
      [
        'import csi, protocol',
        'c = csi.CSI()',
        'c.reset()',
        'c.pixformat(csi.GRAYSCALE)',
        'c.framesize((48, 32))',
        'class B:',
        '    wrong = 0',
        '    taken = 0',
        '    def size(self): return 0x7fffffff',
        '    def shape(self): return (self.wrong, self.taken, 3, 4)',
        "    def read(self, offset, size): return b'x' * size",
        'backend = B()',
        "protocol.register(name='it', backend=backend)",
        'while True:',
        '    img = c.snapshot()',
        '    if (img.width(), img.height(), img.format(), img.size()) != (48, 32, csi.GRAYSCALE, 1536): backend.wrong += 1',
        '    copy = img.compressed(quality=50)',
        "    if bytes(copy.bytearray()[:2]) != b'\\xff\\xd8': backend.wrong += 1",
        '    backend.taken += 1',
      ].join('\n'),
    );
    const id = await guest.channel('it');
    let taken = 0;
    while (taken < 500) {
      for (let count = 0; count < 20; count++) {
        await guest.size(id);
        await guest.read(id, 0xfff0, 700);
      }
      const [wrong, sofar = 0] = await guest.shape(id);
      expect(wrong).toBe(0);
      taken = sofar;
    }
  });

  it('that cannot be registered raise', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      [
        'import protocol',
        'class Bad:\n    def init(self): raise ValueError',
        'class Good: pass',
        'for make in (lambda: protocol.register(name="x", backend=Bad()), lambda: protocol.register(name="x", flags=protocol.CHANNEL_FLAG_PHYSICAL, backend=Good()), lambda: protocol.register(name=5, backend=Good()), lambda: protocol.init(ack=False)):',
        '    try:\n        make()\n    except Exception as e: print(type(e).__name__, e)',
        'for i in range(28): protocol.register(name="c%d" % i, backend=Good())',
        'protocol.register(name="one too many", backend=Good())',
      ].join('\n'),
    );
    const printed = await guest.stdoutUntil('soft reboot');
    expect(printed.match(/RuntimeError Failed to register protocol channel/g)).toHaveLength(2);
    expect(printed).toContain("TypeError can't convert 'int' object to str implicitly");
    expect(printed).toContain('RuntimeError Failed to initialize protocol');
    expect(printed).toContain('RuntimeError: Failed to register protocol channel\r\n');
  });
});

/** Does something with a host that comes and goes. */
async function withHost<T>(camera: VirtualCamera, action: (guest: TestHost) => Promise<T>): Promise<T> {
  const guest = await TestHost.connect(camera.connect());
  try {
    return await action(guest);
  } finally {
    await guest.close();
  }
}

describe('events of a script', () => {
  it('arrive, and wait for their acknowledgement when they are to', async () => {
    const { host: guest } = await blank({}, { ack: true });
    await guest.exec(
      "import protocol, time\nclass B: pass\nch = protocol.register(name='it', backend=B())\nch.send_event(0xAA)\nch.send_event(event=0x1234, wait_ack=True)\nprint('acknowledged')\ntime.sleep(1000)\n",
    );
    expect(await guest.stdoutUntil('acknowledged')).not.toContain('Traceback');
    const id = await guest.channel('it');
    expect(guest.events.filter(({ channel }) => channel === id).map(({ event }) => event)).toEqual([
      0xaa, 0x1234,
    ]);
  });

  it('raise without a host; a script that guards them lives on', async () => {
    const { camera, host: guest } = await blank();
    await guest.exec(
      "import protocol, time\nclass B:\n    failed = 0\n    def size(self): return self.failed\nbackend = B()\nch = protocol.register(name='it', backend=backend)\nwhile True:\n    try:\n        ch.send_event(1)\n    except RuntimeError as e:\n        assert str(e) == 'Failed to send channel event'\n        backend.failed += 1\n    time.sleep_ms(5)\n",
    );
    const id = await guest.channel('it');
    expect(await guest.size(id)).toBe(0);
    await guest.close();
    await until('events to fail', async () => {
      await sleep(30);
      return withHost(camera, async (again) => {
        expect(await again.running()).toBe(true);
        return (await again.size(id)) > 0;
      });
    });
  });

  it('end a script that does not guard them when the host goes', async () => {
    const { camera, host: guest } = await blank();
    await guest.exec(
      "import protocol, time\nclass B: pass\nch = protocol.register(name='it', backend=B())\nwhile True:\n    ch.send_event(1)\n    time.sleep_ms(5)\n",
    );
    await guest.channel('it');
    await guest.close();
    await until('the script to end', async () => {
      await sleep(30);
      return withHost(camera, async (again) => !(await again.running()));
    });
  });

  it('and everything else of the script wait while a reply is not acknowledged', async () => {
    const { camera, host: guest } = await blank();
    await guest.exec(
      "import protocol, time\nclass B:\n    turns = 0\n    def size(self): return self.turns\nbackend = B()\nprotocol.register(name='it', backend=backend)\nwhile True:\n    backend.turns += 1\n    time.sleep_ms(1)\n",
    );
    const id = await guest.channel('it');
    await guest.close();
    const line = camera.connect();
    const replies: Uint8Array[] = [];
    line.start({ data: (chunk) => replies.push(chunk.slice()), closed: () => {} });
    const packet = (sequence: number, flags: number, opcode: number, channel: number): Uint8Array =>
      encodePacket({ sequence, flags, opcode, channel });
    /** Value of the last reply to SIZE once there are so many bytes. */
    const received = (bytes: number): Promise<unknown> =>
      until('a reply', () => Buffer.concat(replies).length >= bytes);
    const turns = async (bytes: number): Promise<number> => {
      await received(bytes);
      return Buffer.concat(replies).readUInt32LE(bytes - 8);
    };
    line.write(packet(0, 0, Opcode.PROTO_SYNC, 0));
    await received(10);
    line.write(packet(0, 0, Opcode.CHANNEL_SIZE, id));
    const before = await turns(10 + 18);
    await sleep(200);
    // With the next request right behind the acknowledgement the script still has no turn.
    line.write(
      Buffer.concat([packet(0, Flag.ACK, Opcode.CHANNEL_SIZE, id), packet(1, 0, Opcode.CHANNEL_SIZE, id)]),
    );
    expect(await turns(10 + 18 + 18)).toBe(before);
    line.write(packet(1, Flag.ACK, Opcode.CHANNEL_SIZE, id));
    await line.close();
  });

  it('raise when the host has negotiated them off', async () => {
    const { host: guest } = await blank({}, { events: false });
    await guest.exec(
      "import protocol\nclass B: pass\nch = protocol.register(name='it', backend=B())\nprint('active', protocol.is_active())\ntry:\n    ch.send_event(1)\nexcept RuntimeError as e:\n    print('Error', e)\nimport time\ntime.sleep(1000)\n",
    );
    expect(await guest.stdoutUntil('Error Failed')).toContain('active True\r\n');
  });
});

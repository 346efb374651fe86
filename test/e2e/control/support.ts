/** What the tests of the control socket share: bridges on virtual cameras, a client that speaks as a script does. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { ControlServer } from '../../../src/control/index.js';
import type { BridgeInput } from '../../../src/options/index.js';

export const scratch = mkdtempSync(join(tmpdir(), 'openmv-control-'));
const open: (() => unknown)[] = [];
let sockets = 0;

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

/** Something to be closed when the test ends. */
export function atEnd(close: () => unknown): void {
  open.push(close);
}

export const socketPath = (): string => join(scratch, `${sockets++}.sock`);

/** The bundled script behind `prelude`, as a file. */
export function scriptWith(prelude: string, name: string): string {
  const bundled = readFileSync(
    fileURLToPath(new URL('../../../firmware/frame_channel.py', import.meta.url)),
    'utf8',
  );
  const path = join(scratch, name);
  writeFileSync(path, `${prelude}\n${bundled}`);
  return path;
}

/** Before the bundled script: leaves it without a control channel. */
export const UNCONTROLLED = `
import protocol as _protocol, sys
class _Fake: pass
_fake = _Fake()
class _Nothing:
    def send_event(self, event): pass
_fake.register = lambda name, backend: _Nothing() if name == "control" else _protocol.register(name=name, backend=backend)
sys.modules["protocol"] = _fake
`;

/** A sensor of few controls, as simple ones are: what it lacks is refused in the words of the firmware. */
export const RESTRICTED = `
import csi as _csi, sys
_REFUSED = "The requested operation is not supported by the image sensor."
class _Sensor:
    def __init__(self):
        self._csi = _csi.CSI()
    def _refuse(self, *args, **options):
        raise RuntimeError(_REFUSED)
    def _false(self, *args):
        return False
    def _warn(self, *args, **options):
        print("WARNING: control is not supported by this image sensor.")
    def reset(self): self._csi.reset()
    def pixformat(self, *value):
        if value and value[0] != _csi.GRAYSCALE:
            raise RuntimeError("Sensor control failed.")
        return self._csi.pixformat(*value)
    def framesize(self, *value): return self._csi.framesize(*value)
    def framebuffers(self, *count): return self._csi.framebuffers(*count)
    def framerate(self, *value):
        if value: self._refuse()
        return self._csi.framerate()
    def width(self): return self._csi.width()
    def height(self): return self._csi.height()
    def snapshot(self):
        if self._csi.width() > 640:
            raise RuntimeError("Frame buffer overflow, try reducing the frame size.")
        return self._csi.snapshot()
    brightness = contrast = saturation = special_effect = _false
    auto_exposure = auto_gain = _warn
    exposure_us = gain_db = rgb_gain_db = auto_whitebal = hmirror = vflip = _refuse
class _Module: pass
_fake = _Module()
for _name in dir(_csi):
    setattr(_fake, _name, getattr(_csi, _name))
_fake.CSI = _Sensor
_fake.RGB565 = _csi.GRAYSCALE
sys.modules["csi"] = _fake
`;

let cameras = 0;

/** A bridge on a virtual camera with a control socket of its own. */
export async function controlled(
  input: BridgeInput = {},
): Promise<{ bridge: Bridge; path: string; server: ControlServer }> {
  const { virtual, ...rest } = input;
  const bridge = await openBridge({
    port: 'virtual',
    shm: false,
    streaming: false,
    virtual: { id: ++cameras, ...virtual },
    ...rest,
  });
  atEnd(() => bridge.close());
  const path = socketPath();
  const server = await ControlServer.open(path);
  atEnd(() => server.close());
  server.add(bridge);
  await bridge.start();
  return { bridge, path, server };
}

// biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
export type Reply = Record<string, any>;

/** A connection that takes replies line by line. */
export class Client {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #text = '';
  #replies: Reply[] = [];
  #waiting: ((reply: Reply) => void)[] = [];

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('error', () => undefined);
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#text + text).split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) this.#take(JSON.parse(line) as Reply);
    });
    this.socket.on('end', () => this.socket.end());
    atEnd(() => this.socket.destroy());
  }

  write(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  next(): Promise<Reply> {
    const reply = this.#replies.shift();
    return reply ? Promise.resolve(reply) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async send(command: string, params?: Record<string, unknown>): Promise<Reply> {
    this.write(JSON.stringify(params ? { command, params } : { command }));
    return this.next();
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(reply);
    else this.#replies.push(reply);
  }
}

/** One command on a connection of its own. */
export async function ask(path: string, command: string, params?: Record<string, unknown>): Promise<Reply> {
  const client = new Client(path);
  const reply = await client.send(command, params);
  client.socket.end();
  await client.closed;
  return reply;
}

/** Where the socket is, and that one process serves it. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ControlServer, controlPath, sendCommand } from '../../../src/control/index.js';
import { ask, atEnd, scratch } from './support.js';

const INDEX = fileURLToPath(new URL('../../../dist/control/index.js', import.meta.url));
const ROOT = process.geteuid?.() === 0;
let temporary = '';

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'openmv-socket-'));
  chmodSync(temporary, 0o1777);
  vi.stubEnv('TMPDIR', temporary);
  vi.stubEnv('XDG_RUNTIME_DIR', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the default path', () => {
  const own = () => join(temporary, `openmv-bridge-${process.getuid?.()}`);

  it('is in XDG_RUNTIME_DIR', () => {
    const session = join(temporary, 'session');
    mkdirSync(session, { mode: 0o700 });
    vi.stubEnv('XDG_RUNTIME_DIR', session);
    expect(controlPath()).toBe(join(session, 'openmv-bridge.sock'));
    expect(existsSync(own())).toBe(false);
  });

  it('is in a private folder of its user where there is no such session, or others may write to it', () => {
    expect(controlPath()).toBe(join(own(), 'openmv-bridge.sock'));
    expect(lstatSync(own()).mode & 0o777).toBe(0o700);
    const session = join(temporary, 'session');
    mkdirSync(session);
    chmodSync(session, 0o770);
    vi.stubEnv('XDG_RUNTIME_DIR', session);
    expect(controlPath()).toBe(join(own(), 'openmv-bridge.sock'));
  });

  it('is refused in a folder that others may write to', () => {
    mkdirSync(own());
    chmodSync(own(), 0o777);
    expect(() => controlPath()).toThrow(expect.objectContaining({ code: 'FILE_FAILED' }));
  });

  it.skipIf(!ROOT)("is refused in another user's folder (needs root)", () => {
    mkdirSync(own(), { mode: 0o700 });
    chownSync(own(), 65_534, 65_534);
    expect(() => controlPath()).toThrow(/belongs to another user/);
  });

  it('is where ctl finds a bridge, also one that was started without the session', async () => {
    const server = await ControlServer.open();
    atEnd(() => server.close());
    const session = join(temporary, 'session');
    mkdirSync(session, { mode: 0o700 });
    vi.stubEnv('XDG_RUNTIME_DIR', session);
    const replies: string[] = [];
    await sendCommand({ command: 'list_cameras' }, (line) => replies.push(line) < 1);
    expect(replies).toEqual(['{"status":"success","cameras":[]}']);
  });
});

/** A process that opens and closes the control socket when it is told to. */
class Contender {
  readonly #child;
  readonly #lines;

  constructor() {
    const program = `import { ControlServer } from ${JSON.stringify(INDEX)};
      import { createInterface } from 'node:readline';
      let server;
      for await (const path of createInterface({ input: process.stdin })) {
        if (server) { await server.close(); server = undefined; console.log('closed'); continue; }
        try { server = await ControlServer.open(path); console.log('serves'); }
        catch (error) { console.log(error.code + ': ' + error.message); }
      }`;
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    atEnd(() => this.#child.kill('SIGKILL'));
  }

  async tell(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    return (await this.#lines.next()).value as string;
  }
}

/** A socket that no process listens on any more. */
async function leaveBehind(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.made`, resolve));
  linkSync(`${path}.made`, path);
  await new Promise((resolve) => server.close(resolve));
}

describe('bridges that are started at once', () => {
  it.each([
    ['a free name', false],
    ["an ended bridge's name", true],
  ])('agree on one of them that serves %s', async (_name, stale) => {
    const contenders = [new Contender(), new Contender(), new Contender()];
    // They are all running before the first race.
    for (const one of contenders) {
      expect(await one.tell(join(scratch, 'warm-up'))).toBe('serves');
      expect(await one.tell('close')).toBe('closed');
    }
    const folder = mkdtempSync(join(scratch, 'race-'));
    for (let round = 0; round < 100; round++) {
      const path = join(folder, `${round}.sock`);
      if (stale) await leaveBehind(path);
      const said = await Promise.all(contenders.map((one) => one.tell(path)));
      expect(
        said.filter((line) => line === 'serves'),
        said.join('\n'),
      ).toHaveLength(1);
      for (const line of said) expect(line).toMatch(/^(serves|FILE_FAILED: A running program serves)/);
      expect(await ask(path, 'list_cameras')).toMatchObject({ status: 'success' });
      expect(await contenders[said.indexOf('serves')]!.tell('close')).toBe('closed');
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});

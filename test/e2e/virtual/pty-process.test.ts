import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSerialPort } from '../../../src/port/index.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { failure, Recorder, until } from '../port/helpers.js';

const BUILT = new URL('../../../dist/virtual/line/pty.js', import.meta.url).href;

let folder = '';
let link = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pty-'));
  link = join(folder, 'camera');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Another process that serves a pty under the link and answers every chunk with `<chunk>`. */
async function serve(): Promise<ChildProcess> {
  const program = `import { openPty } from ${JSON.stringify(BUILT)};
    const master = await openPty(${JSON.stringify(link)});
    master.onData((chunk) => master.write(Buffer.concat([Buffer.from('<'), chunk, Buffer.from('>')])));
    process.stdin.on('end', () => process.exit()).resume();
    process.stdout.write('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

it('serves a host in another process and removes its link when the process ends', async () => {
  const child = await serve();
  const stream = await openSerialPort({ path: link });
  const recorder = Recorder.on(stream);
  stream.write(Buffer.from('hi'));
  await until(() => recorder.length >= 4, 'the answer');
  expect(recorder.bytes.toString()).toBe('<hi>');
  const gone = ended(child);
  child.stdin?.end();
  await gone;
  expect(existsSync(link)).toBe(false);
  await until(() => recorder.ends.length > 0, 'the hang-up');
  expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
  await stream.close();
});

it('refuses the link of a living process and replaces that of a killed one', async () => {
  const child = await serve();
  const error = await failure(openPty(link), 'PORT_BUSY');
  expect(error.message).toContain(`(process ${child.pid})`);
  const gone = ended(child);
  child.kill('SIGKILL');
  await gone;
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  const master = await openPty(link);
  expect(readlinkSync(link)).toBe(master.slavePath);
  await master.close();
});

/** `openmv-bridge install`, on a virtual camera behind a pseudo-terminal. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { type Ended, Program, run } from './program.js';
import { useScratch } from './support.js';

const scratch = useScratch();
let virtual: Program | undefined;

afterEach(async () => {
  virtual?.kill('SIGINT');
  await virtual?.ended;
});

/** A virtual camera whose main.py is this text. */
async function plug(name: string, main: string): Promise<string> {
  const link = scratch.path(name);
  await writeFile(scratch.path('before.py'), main);
  virtual = new Program(['virtual', '--link', link, '--virtual-script', scratch.path('before.py')]);
  while (!existsSync(link)) await pause(5);
  return link;
}

const install = (port: string, ...words: string[]): Promise<Ended> =>
  run(['install', '--port', port, ...words]);

async function onCamera(port: string, code: string): Promise<string> {
  return (await run(['exec', '--port', port, '-c', code])).stdout.replaceAll('\r\n', '\n');
}

it('writes the bundled script, which answers after the reset, and puts back what was there', async () => {
  const before = 'print("the one before")\n';
  const port = await plug('bundled', before);
  const done = await install(port);
  expect([done.status, done.stdout], done.stderr).toEqual([0, '']);
  expect(done.stderr).toMatch(/main\.py is installed.*`frame` answers/);
  const info = await run(['info', '--json', '--port', port]);
  const { channels, scriptRunning } = JSON.parse(info.stdout);
  expect(scriptRunning).toBe(true);
  expect(channels.map((channel: { name: string }) => channel.name)).toContain('frame');
  // A second time nothing is written: what was there before stays what is put back.
  expect((await install(port)).status).toBe(0);
  expect((await install(port, '--undo')).status).toBe(0);
  const files = 'import os\nprint(os.listdir())\nprint(repr(open("main.py").read()))';
  expect(await onCamera(port, files)).toContain(`['main.py']\n'${before.replace('\n', '\\n')}'`);
  const again = await install(port, '--undo');
  expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('nothing to put back')]);
});

it('writes a script of any bytes, and says when it does not run', async () => {
  const port = await plug('other', '');
  const script = scratch.path('other.py');
  await writeFile(
    script,
    `import time\n# ${'\u00e4\'"\\'.repeat(3_000)}\nwhile True:\n    time.sleep_ms(50)\n`,
  );
  const done = await install(port, script);
  expect([done.status, done.stderr]).toEqual([0, expect.stringMatching(/it runs/)]);
  await writeFile(script, 'print("over")\n');
  const ended = await install(port, script);
  expect([ended.status, ended.stderr]).toEqual([4, expect.stringMatching(/does not run.*SCRIPT_FAILED/s)]);
});

it('leaves no main.py where there was none', async () => {
  const port = await plug('none', '');
  const list = 'import os\nprint("files", os.listdir())';
  expect(await onCamera(port, `import os\nos.remove("main.py")\n${list}`)).toContain('files []');
  const script = scratch.path('loop.py');
  await writeFile(script, 'while True:\n    pass\n');
  expect((await install(port, script)).status).toBe(0);
  expect((await install(port, '--undo')).status).toBe(0);
  expect(await onCamera(port, list)).toContain('files []');
});

it('is refused where it would not last', async () => {
  const { status, stderr } = await install('virtual');
  expect([status, stderr]).toEqual([2, expect.stringMatching(/another one at each connection/)]);
});

it.each([
  [['--undo', 'a.py'], /--undo alone/],
  [['/no/such.py'], /cannot be read/],
])('wrong usage: %j', async (words, said) => {
  const { status, stderr } = await install('/dev/ttyACM99', ...words);
  expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
});

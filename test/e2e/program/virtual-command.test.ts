/** `openmv-bridge virtual` that is told to end at any moment: what it has opened is closed, and nothing is left. */
import { existsSync, lstatSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Program } from './program.js';
import { useScratch } from './support.js';

const scratch = useScratch();
/** Says on stderr from where the process is ended. */
const PROBE = `--import=data:text/javascript,${encodeURIComponent(
  "const end = process.exit; process.exit = (code) => { process.stderr.write(new Error('exit').stack + '\\n'); end(code); };",
)}`;
const env = { ...process.env, NODE_OPTIONS: PROBE };

const present = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

it('closes a camera that is still starting', async () => {
  const link = scratch.path('starting');
  const ledger = scratch.path('starting.jsonl');
  const program = new Program(['virtual', '--link', link, '--virtual-ledger', ledger], { env });
  // It is there before the interpreter is.
  while (!existsSync(ledger)) await pause(1);
  program.kill('SIGINT');
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  // The program's own last line ends it, not the handler of the signal.
  expect(stderr).toMatch(/main\.js/);
  expect(stderr).not.toMatch(/stop-signals\.js/);
  expect(stderr).not.toMatch(/error:/);
  expect(present(link)).toBe(false);
});

it.each([200, 400, 600, 1_000])('ends well %i ms after its start', async (ms) => {
  const link = scratch.path(`after-${ms}`);
  const program = new Program(['virtual', '--link', link]);
  await pause(ms);
  program.kill('SIGTERM');
  const { status, signal, stderr } = await program.ended;
  // Before anything of it has run, the signal itself ends the process.
  if (signal === null) expect(status, stderr).toBe(0);
  expect(stderr).not.toMatch(/error:/);
  expect(present(link)).toBe(false);
});

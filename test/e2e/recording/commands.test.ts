/** `start_recording` and `stop_recording`, while a bridge runs. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ofKind, readWhole } from '../../support/recording.js';
import { Program, run } from '../program/program.js';
import { PORT, useScratch } from '../program/support.js';

const scratch = useScratch();

it('a recording begins and ends by command, again and again, and with the bridge', async () => {
  const socket = scratch.path('control.sock');
  const program = new Program(['--port', PORT, '--no-shm', '--json', '--control', socket]);
  const ctl = (...words: string[]) => run(['ctl', '--socket', socket, ...words]);
  await program.line(({ type }) => type === 'frame');
  const last = (): number => program.of('frame').at(-1)!['sequence'];

  for (const name of ['one.mcap', 'two.mcap']) {
    const path = scratch.path(name);
    const from = last();
    expect((await ctl('start_recording', `path=${path}`)).status).toBe(0);
    expect(JSON.parse((await ctl('get_recording')).stdout)).toMatchObject({ recording: true, path });
    const twice = await ctl('start_recording', `path=${scratch.path('three.mcap')}`);
    expect(twice.status).toBe(1);
    expect(twice.stdout + twice.stderr).toContain('send stop_recording first');
    const wanted = last() + 5;
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= wanted);
    const stopped = await ctl('stop_recording');
    expect(JSON.parse(stopped.stdout)).toMatchObject({ status: 'success', path });
    const sequences = ofKind(await readWhole(path), 'frame').map(({ sequence }) => sequence);
    expect(sequences[0]).toBeGreaterThan(from);
    expect(sequences.length).toBeGreaterThanOrEqual(4);
    expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));
  }
  expect((await ctl('stop_recording')).status).toBe(1);
  expect(existsSync(scratch.path('three.mcap'))).toBe(false);

  // A recording that failed leaves its place to the next one, which tells that it works.
  expect((await ctl('start_recording', 'path=/dev/full')).status).toBe(0);
  await program.line(({ type, sink }) => type === 'error' && sink === 'recording');
  const path = scratch.path('last.mcap');
  expect((await ctl('start_recording', `path=${path}`)).status).toBe(0);
  await program.line(({ type, sink }) => type === 'recovered' && sink === 'recording');
  const wanted = last() + 5;
  await program.line(({ type, sequence }) => type === 'frame' && sequence >= wanted);
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
  expect(ofKind(await readWhole(path), 'frame').length).toBeGreaterThanOrEqual(4);
});

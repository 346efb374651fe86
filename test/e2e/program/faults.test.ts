/** A line that spoils packets: nothing torn, nothing twice, every loss counted. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { Program, run } from './program.js';
import { expectCaptured, expectSaved, expectSequence, readLedger, useScratch } from './support.js';

const scratch = useScratch();

it.each(['off', 'on'])(
  'with acks %s, frames arrive intact though one packet in fifty is dropped, flipped or cut',
  async (ack) => {
    const ledgerPath = scratch.path(`ledger-${ack}.jsonl`);
    const save = scratch.path(`frames-${ack}`);
    // With acks on a lost packet costs half a second, the device's own timer: fewer frames show the same.
    const count = ack === 'on' ? 60 : 500;
    const program = new Program([
      ...['--port', 'virtual', '--frames', String(count), '--save', save, '--json', '--no-shm', '--ack', ack],
      ...['--virtual-fps', 'max', '--virtual-faults', '2%,seed=11', '--virtual-ledger', ledgerPath],
    ]);
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    const frames = program.of('frame');
    expectSequence(frames, count);
    await expectSaved(save, frames);
    const ledger = await readLedger(ledgerPath);
    expectCaptured(frames, ledger);
    // Every capture up to the last delivered one was delivered, or is counted with its reason.
    const last = ledger.findIndex((capture) => capture.crc32 === frames.at(-1)!['crc32']) + 1;
    const dropped = program.of('dropped').reduce((sum, line) => sum + line['count'], 0);
    expect(frames.length + dropped).toBe(last);
    const link = program.of('stats').at(-1)!['link'];
    expect(link.timeouts + link.payloadErrors + link.headerErrors + link.fragmentsLost).toBeGreaterThan(0);
  },
  180_000,
);

it('faults are written down by a served camera, and come again from the log in process', async () => {
  const link = scratch.path('cam');
  const log = scratch.path('faults.jsonl');
  const again = scratch.path('again.jsonl');
  const faults = async (path: string): Promise<string[]> =>
    (await readFile(path, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"fault"'))
      .map((line) => JSON.parse(line))
      .filter((line) => line.direction === 'to-host')
      .map((line) => `${line.packets.toHost} ${line.kind}`);
  const camera = new Program([
    ...['virtual', '--link', link, '--virtual-faults', '3%,double=1%,seed=8', '--virtual-fault-log', log],
    ...['--virtual-fps', 'max'],
  ]);
  await expect.poll(() => camera.stderr, { timeout: 20_000 }).toContain('Ctrl-C ends it');
  const common = ['--frames', '80', '--no-shm', '--quiet'];
  const first = await run(['--port', link, ...common]);
  expect(first.status, first.stderr).toBe(0);
  camera.kill('SIGTERM');
  expect((await camera.ended).status).toBe(0);
  const recorded = await faults(log);
  expect(recorded.length).toBeGreaterThan(5);

  const replay = ['--virtual-fps', 'max', '--virtual-faults', `replay:${log}`, '--virtual-fault-log', again];
  const second = await run(['--port', 'virtual', ...common, ...replay]);
  expect(second.status, second.stderr).toBe(0);
  const replayed = await faults(again);
  expect(replayed.length).toBeGreaterThan(2);
  expect(replayed).toEqual(recorded.slice(0, replayed.length));
}, 120_000);

it.each(['--virtual-fault-log', '--virtual-ledger'])(
  '%s on a full disk: a warning, and frames flow on',
  async (option) => {
    const { status, stderr } = await run([
      ...['--port', 'virtual', '--frames', '5', '--no-shm', '--quiet', option, '/dev/full'],
    ]);
    expect(stderr).toContain('/dev/full cannot be written to');
    expect(stderr).not.toContain('defect');
    expect(status).toBe(0);
  },
);

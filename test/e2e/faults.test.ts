/** A line that spoils packets: nothing torn, nothing twice, every loss counted. */
import { expect, it } from 'vitest';
import { Program } from './program.js';
import { expectCaptured, expectSaved, expectSequence, readLedger, useScratch } from './support.js';

const scratch = useScratch();

it.each(['off', 'on'])(
  'with 2 %% of packets dropped, flipped or cut, acks %s, 500 frames arrive intact',
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

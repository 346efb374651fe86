/** `inspect`: recordings and cameras, packet by packet; the same packets in tshark with the dissector of this repository. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { encodePacket, Opcode, opcodeName } from '../../../src/protocol/index.js';
import { CAPTURES, loadCapture } from '../../golden/captures.js';
import { needed } from '../../support/needs.js';
import { type JsonLine, run } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();
const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const recording = (name: string): string => root(`test/golden/${name}.jsonl.br`);
const linesOf = (stdout: string): JsonLine[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JsonLine);

/** The columns that tshark's dissector finds, a row a packet. */
function tshark(path: string, ...fields: string[]): string[][] {
  const words = ['-X', `lua_script:${root('tools/wireshark/openmv.lua')}`, '-r', path, '-T', 'fields'];
  const text = execFileSync(needed('tshark'), [...words, ...fields.flatMap((field) => ['-e', field])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 2 ** 26,
  });
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}

describe('inspect of a recording', () => {
  it('a line for each packet; filters by opcode, channel and side', async () => {
    const { status, stdout } = await run(['inspect', recording('acks-on')]);
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(loadCapture('acks-on').packets.length);
    const wanted = loadCapture('acks-on').packets.filter(
      ({ from, header }) =>
        from === 'camera' && header.opcode === Opcode.CHANNEL_READ && header.channel === 4,
    );
    const filters = ['--opcode', 'read', '--only-channel', 'frame', '--from', 'camera'];
    const filtered = await run(['inspect', recording('acks-on'), ...filters]);
    expect(filtered.stdout.trimEnd().split('\n')).toHaveLength(wanted.length);
    expect(filtered.stdout).not.toMatch(/->|CHANNEL_SIZE/);
  });

  it('--errors, and --stats of what passes', async () => {
    const { stdout } = await run(['inspect', recording('exec-and-stdout'), '--errors']);
    expect(stdout).toMatch(/^.*NAK.*refused: SEQUENCE\n$/);
    const figures = await run(['inspect', recording('damaged-acks-on'), '--stats', '--json']);
    const [line] = linesOf(figures.stdout);
    expect(line).toMatchObject({ type: 'wire', damaged: 0, nak: 0 });
    expect(line?.['repeated']).toBeGreaterThan(0);
  });

  it('--json: lines of the published form', async () => {
    const { stdout } = await run(['inspect', recording('exec-and-stdout'), '--json']);
    const lines = linesOf(stdout);
    const { packets } = loadCapture('exec-and-stdout');
    expect(lines).toHaveLength(packets.length);
    const form = z.fromJSONSchema(JSON.parse(readFileSync(root('tools/json-lines.schema.json'), 'utf8')));
    for (const [index, line] of lines.entries()) {
      expect(form.safeParse(line).error).toBeUndefined();
      const { from, header, ms } = packets[index]!;
      expect(line).toMatchObject({ type: 'packet', event: 'packet', timestampMs: ms, from, crc: 'ok' });
      expect(line['opcode']).toBe(opcodeName(header.opcode));
      expect([line['number'], line['channel'], line['length']]).toEqual([
        header.sequence,
        header.channel,
        header.length,
      ]);
    }
  });

  it('a file that is no recording, or not there, and neither file nor port: says so', async () => {
    const path = scratch.path('x.jsonl');
    writeFileSync(path, '{"ms": 1, "from": "host", "hex": "aa"}\n{"what": 1}\n');
    const wrong = await run(['inspect', path]);
    expect(wrong.stderr).toMatch(/no recording of a line: line 2/);
    expect(wrong.status).toBe(2);
    const missing = await run(['inspect', scratch.path('none.jsonl')]);
    expect(missing.stderr).toMatch(/cannot be read: there is no such file/);
    expect(missing.status).toBe(6);
    const neither = await run(['inspect']);
    expect(neither.stderr).toMatch(/file of a recording, or --port/);
    expect(neither.status).toBe(2);
    const opcode = await run(['inspect', recording('acks-on'), '--opcode', 'NONE']);
    expect(opcode.stderr).toMatch(/no opcode NONE.*CHANNEL_READ/s);
    expect(opcode.status).toBe(2);
  });
});

describe('inspect of a camera', () => {
  it('shows the line while frames are pulled, and ends with them', async () => {
    const { status, stdout } = await run(['inspect', '--port', 'virtual', '--frames', '3', '--json']);
    expect(status).toBe(0);
    const lines = linesOf(stdout);
    expect(lines[0]).toMatchObject({ event: 'opened' });
    expect(lines[1]).toMatchObject({ opcode: 'PROTO_SYNC', from: 'host' });
    expect(lines.at(-1)).toMatchObject({ event: 'closed' });
    expect(lines.filter((line) => line['crc'] !== undefined && line['crc'] !== 'ok')).toEqual([]);
    const reads = lines.filter(
      (line) => line['opcode'] === 'CHANNEL_READ' && line['channelName'] === 'frame',
    );
    expect(reads.length).toBeGreaterThan(3);
  });

  it('on a disk that is full says so, and ends', async () => {
    const words = ['--port', 'virtual', '--frames', '60', '--pcapng', '/dev/full'];
    const { status, stderr } = await run(['inspect', ...words]);
    expect(stderr).toMatch(/The packets cannot be written to \/dev\/full .*the disk is full/);
    expect(status).toBe(6);
  });

  it('names damage', async () => {
    const faults = ['--virtual-faults', 'flip=10%,seed=5'];
    const { stdout } = await run(['inspect', '--port', 'virtual', '--frames', '20', '--errors', ...faults]);
    expect(stdout).toMatch(/crc damaged checksum of the payload is wrong/);
  });
});

describe('in tshark', () => {
  it.each(CAPTURES)('%s: the opcodes, lengths and checksums that our decoder finds', async (name) => {
    const path = scratch.path(`${name}.pcapng`);
    const { status, stderr } = await run(['inspect', recording(name), '--pcapng', path]);
    const { packets } = loadCapture(name);
    expect(stderr).toContain(`${packets.length} packets in ${path}`);
    expect(status).toBe(0);
    const fields = ['opcode', 'channel', 'sequence', 'flags', 'length', 'header_crc.ok', 'payload_crc.ok'];
    const rows = tshark(path, ...fields.map((field) => `openmv.${field}`), '_ws.col.Source');
    const known = packets.map(({ from, header: { opcode, channel, sequence, flags, length } }) => [
      ...[opcode, channel, sequence, flags, length].map(Number),
      ...['1', length > 0 ? '1' : '', from],
    ]);
    expect(rows.map((row) => [...row.slice(0, 5).map(Number), ...row.slice(5)])).toEqual(known);
  });

  it('a wrong checksum is marked, and bytes that are no packet', async () => {
    const header = { sequence: 3, channel: 4, flags: 0, opcode: Opcode.CHANNEL_READ };
    const wrong = encodePacket(header, Uint8Array.of(1, 2, 3, 4));
    wrong[11]! ^= 0x80;
    const path = scratch.path('wrong.jsonl');
    const lines = [wrong, Uint8Array.of(1, 2, 3), encodePacket(header)].map((bytes, index) =>
      JSON.stringify({ ms: index, from: 'camera', hex: Buffer.from(bytes).toString('hex') }),
    );
    writeFileSync(path, `${lines.join('\n')}\n`);
    const out = scratch.path('wrong.pcapng');
    expect((await run(['inspect', path, '--pcapng', out])).status).toBe(0);
    expect(tshark(out, 'openmv.payload_crc.ok', '_ws.expert.message', '_ws.col.Info')).toMatchObject([
      ['0', 'Checksum is wrong', expect.stringContaining('CRC WRONG')],
      ['', expect.stringContaining('No packet'), '3 bytes that are no packet'],
      ['', '', expect.stringContaining('CHANNEL_READ ch 4 #3')],
    ]);
  });
});

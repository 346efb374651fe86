/** The virtual camera answers raw requests as the vendor's own device code does, packet for packet. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteStream } from '../../../src/link/byte-stream.js';
import { Flag, HEADER_SIZE, Opcode } from '../../../src/protocol/constants.js';
import { encodePacket, packetSize, readHeader } from '../../../src/protocol/packet.js';
import { openVirtualCamera, type VirtualCamera } from '../../../src/virtual/index.js';
import { loadRawCases, type RawCase, type RawPacket, rawRequestsScript } from '../../golden/raw-requests.js';
import { sleep, until } from './host.js';

/** Longer packets stand in the recording by their header and payload CRC. */
const LONG = 400;
/** Time for the camera to act on a step that it does not answer, before the next one is sent. */
const QUIET_MS = 3;
/** Two requests to LOCK within 10 ms are another case. */
const LOCK_MS = 12;
/** Longest wait for an answer: it is repeated after 0.5, 1, 2 and 4 s. */
const ANSWER_MS = 9_000;

/** A host of bytes: no machine, no checks. */
class RawHost {
  readonly #stream: ByteStream;
  /** Packets that have come and were not taken yet. */
  readonly #packets: Uint8Array[] = [];
  #bytes = Buffer.alloc(0);

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.start({
      data: (chunk) => {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        this.#cut();
      },
      closed: () => undefined,
    });
  }

  send(hex: string): void {
    this.#stream.write(Buffer.from(hex, 'hex'));
  }

  /** Packets, at most `limit`, when `count` of them have come or `timeoutMs` are over. */
  async take(count: number, timeoutMs: number, limit = Number.POSITIVE_INFINITY): Promise<Uint8Array[]> {
    const end = performance.now() + timeoutMs;
    while (this.#packets.length < count && performance.now() < end) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.#packets.splice(0, limit);
  }

  /** Begins a session. Returns what came before: packets that the last case did not expect. */
  async begin(caps: string): Promise<Uint8Array[]> {
    this.send(SYNC);
    const before: Uint8Array[] = [];
    for (;;) {
      const [packet] = await this.take(1, ANSWER_MS, 1);
      if (!packet) throw new Error('SYNC is not answered');
      if (hex(packet) === SYNC_ANSWER) break;
      before.push(packet);
    }
    this.send(hex(encodePacket(header(0), Buffer.from(caps, 'hex'))));
    const [answer] = await this.take(1, ANSWER_MS);
    expect(hex(answer!)).toBe(hex(encodePacket({ ...header(0), flags: Flag.ACK }, new Uint8Array(0))));
    return before;
  }

  #cut(): void {
    for (;;) {
      if (this.#bytes.length < HEADER_SIZE) return;
      if (this.#bytes.readUInt16LE(0) !== 0xd5aa) throw new Error(`no packet: ${hex(this.#bytes)}`);
      const { length, flags } = readHeader(this.#bytes, 0);
      const size = packetSize(length);
      if (this.#bytes.length < size) return;
      if ((flags & Flag.EVENT) === 0) this.#packets.push(this.#bytes.subarray(0, size));
      this.#bytes = this.#bytes.subarray(size);
    }
  }
}

const SYNC = 'aad5000000000000b0ac';
const SYNC_ANSWER = 'aad50000010000000846';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Of SET_CAPS. */
const header = (sequence: number) => ({
  sequence,
  channel: 0,
  flags: 0,
  opcode: Opcode.PROTO_SET_CAPS,
  length: 0,
});

/** As the recording has it. */
function asRecorded(packet: Uint8Array, like: RawPacket | undefined): RawPacket {
  if (typeof like === 'string' || (like === undefined && packet.length < LONG)) return hex(packet);
  return {
    header: hex(packet.subarray(0, HEADER_SIZE)),
    payloadBytes: packet.length - HEADER_SIZE - 4,
    payloadCrc: hex(packet.subarray(-4)),
  };
}

/** Without CRCs the device sends what lies in their place. */
const withoutCrc = (packet: RawPacket): RawPacket =>
  typeof packet === 'string'
    ? packet.slice(0, Math.max(2 * HEADER_SIZE, packet.length - 8))
    : { ...packet, payloadCrc: '' };

/** What came, and what was expected, as far as they have to be the same. */
async function play(
  host: RawHost,
  { caps, steps, replies }: RawCase,
): Promise<{ got: RawPacket[][]; want: RawPacket[][] }> {
  // Nothing may be left of the case before.
  const got: RawPacket[][] = [(await host.begin(caps)).map(hex)];
  const want: RawPacket[][] = [[]];
  let crc = true;
  for (const [index, step] of steps.entries()) {
    const expected = replies[index]!;
    if (typeof step !== 'string') {
      // What comes meanwhile stands in the recording with the next step.
      await sleep(step.waitMs);
      got.push([]);
      want.push([]);
      continue;
    }
    host.send(step);
    const packets = await host.take(expected.length, ANSWER_MS);
    await sleep(/^(..){5}22/.test(step) ? LOCK_MS : expected.length === 0 ? QUIET_MS : 0);
    packets.push(...(await host.take(0, 0)));
    const recorded = packets.map((packet, at) => asRecorded(packet, expected[at]));
    got.push(crc ? recorded : recorded.map(withoutCrc));
    want.push(crc ? [...expected] : expected.map(withoutCrc));
    if (/^(..){5}021000/.test(step)) crc = (Number.parseInt(step.slice(20, 22), 16) & 1) === 1;
  }
  return { got, want };
}

let camera: VirtualCamera;
let host: RawHost;

beforeAll(async () => {
  camera = await openVirtualCamera({ script: rawRequestsScript });
  host = new RawHost(camera.connect());
  await until('the script to run', async () => {
    await host.begin('03000000f20f00000000000000000000');
    host.send('aad5010000200000a9d6');
    const [list] = await host.take(1, ANSWER_MS);
    return list !== undefined && Buffer.from(list).includes('a-name-of');
  });
});

afterAll(() => camera?.close());

const cases = loadRawCases();
const groupOf = ({ name }: RawCase): string => name.split(/[ :]/)[0]!;

describe('the virtual camera answers as the device does', () => {
  it.each([...new Set(cases.map(groupOf))])('%s', async (group) => {
    const wrong: unknown[] = [];
    let last = '';
    for (const one of cases.filter((other) => groupOf(other) === group)) {
      const { got, want } = await play(host, one);
      if (JSON.stringify(got) !== JSON.stringify(want)) {
        wrong.push({ name: one.name, steps: one.steps, want, got });
      }
      last = one.name;
    }
    expect(wrong).toEqual([]);
    expect(last).not.toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import { HostLink } from '../../src/link/host-link.js';
import type { LinkOutcome } from '../../src/link/link-types.js';
import { Flag, Opcode } from '../../src/protocol/constants.js';
import { decodeCaps, decodeIoRequest } from '../../src/protocol/index.js';
import { CAPTURES, type CapturedPacket, type CaptureName, FRAMES, loadCapture } from './captures.js';

/** Sent by the host machine of its own accord. */
const AUTOMATIC = new Set<number>([Opcode.PROTO_SYNC, Opcode.PROTO_GET_CAPS, Opcode.PROTO_SET_CAPS]);

interface Replay {
  readonly link: HostLink;
  readonly sent: Buffer;
  readonly reads: { outcome: LinkOutcome | undefined; destination: Uint8Array }[];
  readonly outcomes: LinkOutcome['kind'][];
  readonly events: [number, number][];
}

/** Gives the host machine the recorded requests, and for each packet of the camera's that packet. */
function replay(packets: readonly CapturedPacket[]): Replay {
  const sent: Uint8Array[] = [];
  const reads: Replay['reads'] = [];
  const outcomes: LinkOutcome['kind'][] = [];
  const events: [number, number][] = [];
  const setCaps = packets.find(({ header }) => header.opcode === Opcode.PROTO_SET_CAPS)!;
  const link = new HostLink(
    { wanted: decodeCaps(setCaps.payload) },
    {
      transmit: (bytes) => sent.push(bytes.slice()),
      event: (channel, event) => events.push([channel, event]),
      ready: () => undefined,
      failed: (error) => {
        throw error;
      },
    },
  );
  let now = 0;
  link.connect(now);
  for (const { from, header, payload, bytes } of packets) {
    // Longer than the pause behind an ACK, shorter than any wait.
    now += 2;
    if (from === 'camera') {
      link.receive(bytes, now);
    } else if (!AUTOMATIC.has(header.opcode) && (header.flags & Flag.ACK) === 0) {
      const { opcode, channel } = header;
      const read: Replay['reads'][number] = { outcome: undefined, destination: new Uint8Array(0) };
      if (opcode === Opcode.CHANNEL_READ) {
        read.destination = new Uint8Array(decodeIoRequest(payload).length);
        reads.push(read);
      }
      link.submit(
        {
          opcode,
          channel,
          payload,
          attempts: 1,
          ...(opcode === Opcode.CHANNEL_READ ? { destination: read.destination } : {}),
          settle: (outcome) => {
            read.outcome = outcome;
            outcomes.push(outcome.kind);
          },
        },
        now,
      );
    }
  }
  return { link, sent: Buffer.concat(sent), reads, outcomes, events };
}

const replayed = CAPTURES.filter((name): name is CaptureName => name !== 'exec-and-stdout');

describe.each(replayed)('our host on the recording %s', (name) => {
  it("sends, byte for byte, what the vendor's host sent", () => {
    const { packets, bytes } = loadCapture(name);
    expect(Buffer.compare(replay(packets).sent, Buffer.from(bytes.host))).toBe(0);
  });

  it('gets every frame whole', () => {
    const { link, reads, outcomes } = replay(loadCapture(name).packets);
    expect(reads).toHaveLength(FRAMES[name]);
    for (const { outcome, destination } of reads) {
      expect(outcome).toEqual({ kind: 'read', missing: [] });
      expect(Array.from(destination.subarray(0, 3))).toEqual([0xff, 0xd8, 0xff]);
      expect(Array.from(destination.subarray(-2))).toEqual([0xff, 0xd9]);
    }
    expect(new Set(outcomes)).toEqual(new Set(['read', 'reply']));
    expect(link.stats).toMatchObject({ resyncs: 0, stale: 0, discardedBytes: 0, timeouts: 0 });
    expect(link.deadline()).toBeUndefined();
  });
});

describe('our host on the recording exec-and-stdout', () => {
  const recording = (): { packets: readonly CapturedPacket[]; rebootAt: number } => {
    const { packets } = loadCapture('exec-and-stdout');
    return { packets, rebootAt: packets.findIndex(({ header }) => header.opcode === Opcode.SYS_EVENT) };
  };

  it("sends what the vendor's host sent, up to the reboot; there it begins again", () => {
    const { packets, rebootAt } = recording();
    const { link, sent, events } = replay(packets.slice(0, rebootAt + 1));
    const recorded = packets
      .slice(0, rebootAt)
      .filter(({ from }) => from === 'host')
      .map(({ bytes }) => bytes);
    const sync = Buffer.from('aad5000000000000b0ac', 'hex');
    expect(Buffer.compare(sent, Buffer.concat([...recorded, sync]))).toBe(0);
    expect(link.state).toBe('syncing');
    expect(link.stats).toMatchObject({ resyncs: 1, stale: 0, discardedBytes: 0, timeouts: 0 });
    // Script stopped, output waiting, script started, script stopped, reboot.
    const notable = events.filter(([, event]) => event !== 0xffff);
    expect(notable).toEqual([
      [1, 0],
      [1, 1],
      [1, 0],
      [0, 2],
    ]);
  });

  it('reads what the script printed', () => {
    const { packets, rebootAt } = recording();
    const { reads } = replay(packets.slice(0, rebootAt));
    const text = reads.map(({ destination }) => Buffer.from(destination).toString()).join('');
    expect(text).toMatch(/^Traceback/);
    expect(text).toMatch(/tick 1\r\ntick 2\r\ntick 3\r\ntick 4\r\n$/);
    for (const { outcome } of reads) expect(outcome).toEqual({ kind: 'read', missing: [] });
  });
});

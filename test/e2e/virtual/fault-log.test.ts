/** The log of injected faults, and the same faults once more from it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { BridgeError } from '../../../src/errors.js';
import { Flag, Opcode } from '../../../src/protocol/constants.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { openVirtualCamera } from '../../../src/virtual/index.js';
import { FaultLog } from '../../../src/virtual/line/fault-log.js';
import { FAULT_KINDS, parseFaults } from '../../../src/virtual/line/fault-options.js';
import { readFaultLog } from '../../../src/virtual/line/fault-replay.js';
import { type FaultDirection, type LineFaultSource, LineFaults } from '../../../src/virtual/line/faults.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fault-log-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Line {
  readonly type: string;
  readonly camera: number;
  readonly direction: FaultDirection;
  readonly packets: { readonly toHost: number; readonly toCamera: number };
  readonly kind: string;
  readonly [field: string]: unknown;
}

const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
const faultsOf = (path: string): Line[] => linesOf(path).filter((line) => line.type === 'fault');

/** Packet number and kind of each fault, by life and direction. */
function faultsByLine(path: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let life: unknown;
  for (const line of linesOf(path)) {
    if (line.type === 'line') life = line['life'];
    if (line.type !== 'fault') continue;
    const name = `${life} ${line.direction}`;
    const number = line.packets[line.direction === 'to-host' ? 'toHost' : 'toCamera'];
    found.set(name, [...(found.get(name) ?? []), `${number} ${line.kind}`]);
  }
  return found;
}

async function failure(action: Promise<unknown>): Promise<BridgeError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof BridgeError) return error;
    throw error;
  }
  throw new Error('it worked');
}

/** Requests and answers in turn, every third answer an event. */
const packets = Array.from({ length: 600 }, (_, number) =>
  encodePacket(
    {
      sequence: number & 0xff,
      channel: 4,
      flags: number % 3 === 0 ? Flag.EVENT : 0,
      opcode: Opcode.CHANNEL_READ,
    },
    new Uint8Array((number * 7) % 60).fill(number),
  ),
);

/** What comes out of both directions, each piece with its delay, and which breaks were asked for. */
function through(source: LineFaultSource, log?: FaultLog): string[] {
  const out: string[] = [];
  const line = new LineFaults(source, {
    broken: (kind) => out.push(kind),
    injected: (fault) => log?.fault(fault),
  });
  for (const [index, packet] of packets.entries()) {
    const direction = index % 2 === 0 ? 'toCamera' : 'toHost';
    line[direction].push(packet.slice(), (bytes, lateMs = 0) => {
      out.push(`${direction} ${Buffer.from(bytes).toString('hex')} ${lateMs}`);
    });
  }
  return out;
}

const EVERY_KIND = `${FAULT_KINDS.map((kind) => `${kind}=4%`).join(',')},seed=9,delay-ms=7,stall-ms=70,throttle=90000`;

describe('a log of injected faults', () => {
  it('has a line for each fault: direction, packet number, kind, parameters, time', async () => {
    const path = join(dir, 'each.jsonl');
    const log = new FaultLog(path, { id: 3, life: 1 }, parseFaults(EVERY_KIND));
    through(parseFaults(EVERY_KIND), log);
    log.close();
    const [first, ...rest] = linesOf(path);
    expect(first).toMatchObject({ type: 'line', camera: 3, throttle: 90_000, faults: { seed: 9 } });
    expect(new Set(rest.map((line) => line.kind))).toEqual(new Set(FAULT_KINDS));
    for (const line of rest) {
      expect(line).toMatchObject({ type: 'fault', camera: 3 });
      expect(line['atMs']).toBeGreaterThanOrEqual(0);
      expect(line['packet']).toMatchObject({ opcode: Opcode.CHANNEL_READ });
    }
    const of = (kind: string) => rest.find((line) => line.kind === kind)!;
    expect(of('delay')['ms']).toBe(7);
    expect(of('stall')['ms']).toBe(70);
    expect(of('garbage')['bytes']).toMatch(/^([0-9a-f]{2})+$/);
    expect(of('flip')['bit']).toBeGreaterThanOrEqual(0);
    expect(of('cut')['kept']).toBeGreaterThan(0);
    const numbers = rest.filter((line) => line.direction === 'to-host').map((line) => line.packets.toHost);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it('is enough to put the same faults on the same packets, byte for byte', async () => {
    const path = join(dir, 'again.jsonl');
    const log = new FaultLog(path, { id: 1, life: 1 }, parseFaults(EVERY_KIND));
    const first = through(parseFaults(EVERY_KIND), log);
    log.close();
    const recording = await readFaultLog(path, 1, 1);
    expect(recording.throttle).toBe(90_000);
    expect(through(recording)).toEqual(first);
    expect(first).not.toEqual(through(parseFaults('drop=0%')));
  });

  it('ends with a line that says so when it has become too long', async () => {
    const path = join(dir, 'long.jsonl');
    const log = new FaultLog(path, { id: 1, life: 1 }, parseFaults('drop=100%'), 5);
    through(parseFaults('drop=100%'), log);
    log.close();
    const lines = linesOf(path);
    expect(lines).toHaveLength(7);
    expect(lines.at(-1)).toMatchObject({ type: 'full', camera: 1 });
    expect((await readFaultLog(path, 1, 1)).toHost.size).toBeGreaterThan(0);
  });

  it('fits packets that came out shorter: a bit and a length within them', async () => {
    const path = join(dir, 'short.jsonl');
    writeFileSync(
      path,
      `{"type":"line","camera":1,"life":1,"throttle":0}
{"type":"fault","camera":1,"direction":"to-camera","packets":{"toHost":0,"toCamera":1},"kind":"flip","bit":800000}
{"type":"fault","camera":1,"direction":"to-host","packets":{"toHost":1,"toCamera":1},"kind":"cut","kept":60000}
`,
    );
    const [request, answer] = through(await readFaultLog(path, 1, 1));
    expect(request).not.toContain(Buffer.from(packets[0]!).toString('hex'));
    expect(request).toHaveLength(`toCamera  0`.length + 2 * packets[0]!.length);
    expect(answer).toBe(`toHost ${Buffer.from(packets[1]!.subarray(0, -1)).toString('hex')} 0`);
  });
});

describe('what a log is read for', () => {
  const line = (camera: number, kind: string): string =>
    `{"type":"fault","camera":${camera},"direction":"to-host","packets":{"toHost":4,"toCamera":2},"kind":"${kind}"}\n`;
  const start = (camera: number, life = 1): string =>
    `{"type":"line","camera":${camera},"life":${life},"throttle":0}\n`;

  it('of several cameras each has its own faults, and the last run counts', async () => {
    const path = join(dir, 'several.jsonl');
    writeFileSync(
      path,
      start(1) + start(2) + line(1, 'drop') + line(2, 'double') + start(1) + line(1, 'reboot'),
    );
    expect((await readFaultLog(path, 1, 1)).toHost.get(4)).toEqual({ kind: 'reboot' });
    expect((await readFaultLog(path, 2, 1)).toHost.get(4)).toEqual({ kind: 'double' });
    const error = await failure(readFaultLog(path, 3, 1));
    expect([error.code, error.message]).toEqual([
      'OPTION_INVALID',
      expect.stringMatching(/cameras 1 and 2.* 3/),
    ]);
  });

  it('a camera that was switched on again has the faults of that life, and none beyond the last', async () => {
    const path = join(dir, 'lives.jsonl');
    const old = start(1) + line(1, 'cut').replace('}\n', ',"kept":3}\n') + start(1, 2) + line(1, 'double');
    writeFileSync(path, old + start(1) + line(1, 'hangup') + start(1, 2) + line(1, 'drop'));
    const kinds = await Promise.all(
      [1, 2, 3].map(async (life) => (await readFaultLog(path, 1, life)).toHost.get(4)?.kind),
    );
    expect(kinds).toEqual(['hangup', 'drop', undefined]);
  });

  it('of one camera any camera may have them', async () => {
    const path = join(dir, 'one.jsonl');
    writeFileSync(path, start(7) + line(7, 'drop'));
    expect((await readFaultLog(path, 1, 1)).toHost.get(4)).toEqual({ kind: 'drop' });
  });

  it.each([
    ['a line that is no JSON', `${start(1)}drop\n`, /line 2/],
    ['a kind that there is not', start(1) + line(1, 'melt'), /line 2.*kind/],
    ['a log without its beginning', line(1, 'drop'), /line 1/],
    ['a life without those before it', start(1, 2), /line 1.*life 2/],
    ['nothing', '', /no log of injected faults/],
    ['a ledger', '{"frame":1,"crc32":"00000000","bytes":3}\n', /line 1/],
  ])('%s is refused, and named', async (_, text, message) => {
    const path = join(dir, 'wrong.jsonl');
    writeFileSync(path, text);
    const error = await failure(readFaultLog(path, 1, 1));
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.message).toContain(path);
    expect(error.message).toMatch(message);
  });

  it('a file that is not there is FILE_FAILED', async () => {
    const error = await failure(openVirtualCamera({ faults: 'replay:/no/such/log' }));
    expect([error.code, error.message]).toEqual(['FILE_FAILED', expect.stringContaining('/no/such/log')]);
  });
});

describe('a virtual camera', () => {
  it('that cannot write its log says so before it starts', async () => {
    const error = await failure(openVirtualCamera({ faults: '2%', faultLog: '/no/such/directory/log' }));
    expect([error.code, error.message]).toEqual([
      'FILE_FAILED',
      expect.stringContaining('/no/such/directory/log'),
    ]);
  });

  it('writes each fault as it happens, and meets them again at the same packets', async () => {
    const record = join(dir, 'record.jsonl');
    const again = join(dir, 'replay.jsonl');
    const frames = async (virtual: Record<string, unknown>, injected: (count: number) => void) => {
      const bridge = await openBridge({
        port: 'virtual',
        shm: false,
        frames: 60,
        virtual: { fps: 'max', ...virtual },
      });
      bridge.frames$.subscribe(({ sequence }) => {
        if (sequence === 40) injected(linesOf(String(virtual['faultLog'])).length);
      });
      await bridge.done;
    };
    let meanwhile = 0;
    await frames(
      { faults: '4%,garbage=1%,hangup=0.3%,seed=4', faultLog: record },
      (count) => (meanwhile = count),
    );
    expect(meanwhile).toBeGreaterThan(2);
    const faults = faultsOf(record);
    expect(faults.length).toBeGreaterThan(10);
    expect(linesOf(record).filter((line) => line.type === 'host').length).toBeGreaterThan(0);

    await frames({ faults: `replay:${record}`, faultLog: again }, () => undefined);
    const recorded = faultsByLine(record);
    const replayed = faultsByLine(again);
    // Each time it is switched on the camera meets other faults.
    expect(recorded.get('1 to-host')).not.toEqual(recorded.get('2 to-host'));
    expect([...replayed.values()].flat().length).toBeGreaterThan(10);
    for (const [line, faults] of replayed) {
      // A life ends, and 60 frames are there, a few packets earlier or later than then.
      expect(faults, line).toEqual(recorded.get(line)?.slice(0, faults.length));
    }
  });
});

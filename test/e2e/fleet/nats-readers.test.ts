/** Frames of a camera at a NATS server, for programs elsewhere: the library, `watch`, `mirror`, Python. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { type SubscribedFrame, subscribeFrames } from '../../../src/fleet/index.js';
import { openShm } from '../../../src/shm/index.js';
import { needs } from '../../support/needs.js';
import { Program, run } from '../program/program.js';
import { crcOf, leftovers, segmentName } from '../program/support.js';
import { TestNats } from './nats-server.js';

const BASE = ['--port', 'virtual', '--no-shm', '--json', '--camera-id', 'cam'] as const;

function publisher(nats: TestNats, ...flags: string[]): Program {
  const program = new Program([...BASE, '--nats', nats.url, ...flags]);
  onTestFinished(() => {
    program.child.kill('SIGKILL');
  });
  return program;
}

const crcs = (program: Program): Map<number, string> =>
  new Map(program.of('frame').map(({ sequence, crc32 }) => [sequence, crc32]));

it('subscribeFrames ends with its signal, also while a server takes the connection and says nothing', async () => {
  const silent = createServer();
  const sockets: Socket[] = [];
  silent.on('connection', (socket) => sockets.push(socket.on('error', () => undefined)));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const url = `nats://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const end = new AbortController();
  const told: string[] = [];
  const options = { signal: end.signal, told: { away: () => void told.push('away') } };
  const reading = (async () => {
    for await (const frame of subscribeFrames(url, 'cam', options)) told.push(String(frame.sequence));
  })();
  await expect.poll(() => sockets.length).toBe(1);
  end.abort();
  await reading;
  // The attempt was not waited for.
  expect(told).toEqual([]);
});

it('subscribeFrames gives whole frames, none twice, over lost connections and runs, until it is told to end', async () => {
  const nats = await TestNats.start();
  const first = publisher(nats, '--site', 'hall');
  const end = new AbortController();
  const told: string[] = [];
  const frames: SubscribedFrame[] = [];
  const reading = (async () => {
    const options = {
      site: 'hall',
      signal: end.signal,
      told: { away: () => void told.push('away'), connected: () => void told.push('connected') },
    };
    for await (const frame of subscribeFrames(nats.url, 'cam', options)) frames.push(frame);
  })();
  await expect.poll(() => frames.length).toBeGreaterThan(10);
  await nats.kill();
  await expect.poll(() => told).toContain('away');
  await nats.start();
  const before = frames.length;
  await expect.poll(() => frames.length).toBeGreaterThan(before + 10);
  first.kill('SIGINT');
  await first.ended;
  const second = publisher(nats, '--site', 'hall');
  await expect.poll(() => new Set(frames.map(({ runId }) => runId)).size).toBe(2);
  await expect.poll(() => frames.at(-1)!.sequence).toBeGreaterThan(5);
  end.abort();
  await reading;
  expect(told).toEqual(['connected', 'away', 'connected']);
  const [runA, runB] = [...new Set(frames.map(({ runId }) => runId))];
  for (const [runId, program] of [
    [runA, first],
    [runB, second],
  ] as const) {
    const own = frames.filter((frame) => frame.runId === runId);
    const known = crcs(program);
    expect(own.map(({ jpeg }) => crcOf(Buffer.from(jpeg)))).toEqual(
      own.map(({ sequence }) => known.get(sequence)),
    );
    const sequences = own.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
  }
  // What did not come is told with the next one.
  const own = frames.filter(({ runId }) => runId === runA);
  const missed = own.slice(1).reduce((sum, frame) => sum + frame.missed, 0);
  expect(missed).toBe(own.at(-1)!.sequence - own[0]!.sequence + 1 - own.length);
  expect(missed).toBeGreaterThan(0);
});

it('subscribeFrames refuses wrong names', async () => {
  const one = (url: string, camera: string) => subscribeFrames(url, camera).next();
  await expect(one('http://127.0.0.1', 'cam')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  await expect(one('nats://127.0.0.1:1', '>')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
});

it('mirror: readers of shared memory see the frames, over two runs of the bridge', async () => {
  const nats = await TestNats.start();
  const shm = segmentName();
  const ring = segmentName();
  const mirror = new Program([
    ...['mirror', '--nats', nats.url, '--camera', 'cam', '--shm-name', shm, '--ring', ring],
    ...['--ring-slots', '1024', '--ring-slot-size', '64K'],
  ]);
  onTestFinished(() => {
    mirror.child.kill('SIGKILL');
  });
  const first = publisher(nats);
  const watch = new Program(['watch', shm, '--json']);
  await watch.line(({ type, framesPerSecond }) => type === 'segment' && framesPerSecond > 5);
  watch.kill('SIGINT');
  await watch.ended;
  const reader = openShm(ring);
  try {
    first.kill('SIGINT');
    await first.ended;
    const second = publisher(nats);
    await second.line(({ type, sequence }) => type === 'frame' && sequence >= 20);
    const known = new Set([...crcs(first).values()]);
    let last = 0;
    let ofSecond = 0;
    for await (const frame of reader.frames({ signal: AbortSignal.timeout(40_000) })) {
      expect(frame.sequence).toBeGreaterThan(last);
      last = frame.sequence;
      const crc = crcOf(Buffer.from(frame.data));
      if (known.has(crc)) continue;
      await second.line((line) => line['crc32'] === crc);
      if (++ofSecond >= 5) break;
    }
    expect(ofSecond).toBe(5);
  } finally {
    await reader.close();
  }
  mirror.kill('SIGINT');
  const { status, stderr } = await mirror.ended;
  expect(status, stderr).toBe(0);
  expect([...leftovers(shm), ...leftovers(ring)]).toEqual([]);
});

it('watch nats:// tells what comes, or that nothing does', async () => {
  const nats = await TestNats.start();
  publisher(nats, '--site', 'hall');
  const watch = new Program(['watch', `${nats.url}/hall/cam`, '--json']);
  const line = await watch.line(({ type, framesPerSecond }) => type === 'remote' && framesPerSecond > 5);
  expect(line).toMatchObject({ cameraId: 'cam', status: 'live', width: 320, height: 240 });
  watch.kill('SIGINT');
  expect((await watch.ended).status).toBe(0);
  const nothing = await run(['watch', `${nats.url}/none`, '--duration', '1s']);
  expect(nothing.status).toBe(3);
  expect(nothing.stderr).toContain('No frame came of none at site local');
  const unnamed = await run(['watch', nats.url]);
  expect(unnamed.status).toBe(2);
  expect(unnamed.stderr).toContain('names no camera');
});

it('the example in Python reads frames', async () => {
  needs('nats-py');
  const nats = await TestNats.start();
  const program = publisher(nats);
  const example = fileURLToPath(new URL('../../../tools/readers/nats_example.py', import.meta.url));
  const python = spawn('python3', ['-B', example, nats.url, 'cam'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    python.kill('SIGKILL');
  });
  let text = '';
  python.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await expect.poll(() => text.split('\n').length, { timeout: 40_000 }).toBeGreaterThan(10);
  const known = crcs(program);
  for (const line of text.split('\n').slice(0, 10)) {
    const [sequence, size, , crc] = line.split(' ');
    expect(size).toBe('320x240');
    expect(known.get(Number(sequence))).toBe(crc);
  }
});

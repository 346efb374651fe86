/** Answers that go on: pictures, events, WebSockets. */
import { describe, expect, it } from 'vitest';
import { packageFile } from '../../../src/package.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';
import {
  atEnd,
  collect,
  EventClient,
  ODD_NG,
  pictures,
  raw,
  request,
  serve,
  shown,
  until,
  Viewer,
} from './support.js';

describe('/stream.mjpg', () => {
  it('has frames byte for byte, in their order', async () => {
    const server = await serve();
    const bridge = await shown(server);
    const frames = collect(bridge);
    const { text } = raw(server, request(server, '/stream.mjpg'));
    await until('frames', () => pictures(text()).length > 10);
    expect(text()).toContain('multipart/x-mixed-replace; boundary=openmv-frame');
    const seen = pictures(text());
    const sequences = seen.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    for (const { sequence, jpeg } of seen.slice(1))
      expect(jpeg).toEqual(Buffer.from(frames.get(sequence)!.jpeg));
  });
});

describe('/ws', () => {
  it('gives one frame for each ready, byte for byte', async () => {
    const server = await serve();
    const bridge = await shown(server);
    const frames = collect(bridge);
    await until('frames', () => frames.size > 0);
    const viewer = new Viewer(server);
    let last = 0;
    for (let round = 0; round < 5; round++) {
      const { header, jpeg } = await viewer.next();
      expect(header).toMatchObject({
        type: 'frame',
        cameraId: bridge.cameraId,
        width: 320,
        height: 240,
        outcome: null,
      });
      expect(header.sequence).toBeGreaterThan(last);
      last = header.sequence;
      expect(jpeg.length).toBe(header.bytes);
      const frame = frames.get(header.sequence);
      if (frame) expect(jpeg).toEqual(Buffer.from(frame.jpeg));
    }
    expect(viewer.pictures).toHaveLength(5);
    const count = frames.size;
    await until('frames that are not asked for', () => frames.size > count + 10);
    expect(viewer.pictures).toHaveLength(5);
  });

  it('gives the newest one when it is asked late', async () => {
    const server = await serve();
    const bridge = await shown(server);
    const frames = collect(bridge);
    const viewer = new Viewer(server);
    await viewer.next();
    const before = Math.max(...frames.keys());
    await until('newer frames', () => frames.size > 0 && Math.max(...frames.keys()) > before + 10);
    expect((await viewer.next()).header.sequence).toBeGreaterThan(before + 9);
  });

  it('gives frames with what was said of exactly those', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    const verdicts = new Map<number, string>();
    bridge.results$.subscribe(({ sequence, outcome }) => verdicts.set(sequence, outcome));
    const viewer = new Viewer(server);
    const seen = [];
    while (seen.length < 12) {
      const { header } = await viewer.next();
      // A busy machine may skip some.
      if (header.outcome === 'ok' || header.outcome === 'ng') seen.push(header);
    }
    for (const { sequence, outcome, result } of seen) {
      expect(outcome).toBe(verdicts.get(sequence) ?? outcome);
      expect(result.sequence).toBe(sequence);
      const odd = sequence % 2 === 1;
      expect(outcome).toBe(odd ? 'ng' : 'ok');
      expect(result.defectRects).toEqual(
        odd ? [{ x: 40, y: 80, width: 100, height: 60, label: 'odd', score: 0.75 }] : [],
      );
      expect(result.reason).toBe(odd ? 'odd' : null);
    }
    const live = new Viewer(server, '?show=live');
    expect((await live.next()).header).toMatchObject({ outcome: null });
  });

  it('begins with a frame that has its verdict, where there is a fresh one', async () => {
    const server = await serve();
    const fake = new FakeBridge('cam', 'algorithm');
    atEnd(() => fake.end());
    server.add(fake.bridge);
    const judged = fake.judge('ng');
    const later = fake.frame();
    const first = await new Viewer(server).next();
    expect(first.header).toMatchObject({ sequence: judged.sequence, outcome: 'ng' });
    expect((await new Viewer(server, '?show=live').next()).header.sequence).toBe(later.sequence);
    const muchLater = fake.frame(100, Date.now() + 5_000);
    const other = await new Viewer(server).next();
    expect(other.header).toMatchObject({ sequence: muchLater.sequence, outcome: null });
  });

  it('ends a client that says anything else, or too much', async () => {
    const server = await serve();
    await shown(server);
    for (const [message, code] of [
      ['hello', 1008],
      [Buffer.from('ready'), 1008],
      ['x'.repeat(5_000), 1009],
    ] as const) {
      const viewer = new Viewer(server);
      await viewer.opened;
      viewer.socket.send(message);
      expect(await viewer.closed).toBe(code);
    }
  });

  it('says why there is nothing to see', async () => {
    const server = await serve();
    await expect(new Viewer(server).opened).rejects.toThrow('404');
    await shown(server);
    await expect(new Viewer(server, '?show=else').opened).rejects.toThrow('400');
    expect((await fetch(new URL('/ws', server.url))).status).toBe(426);
  });

  it('ends with its camera', async () => {
    const server = await serve();
    const bridge = await shown(server);
    const viewer = new Viewer(server);
    await viewer.next();
    await bridge.close();
    expect(await viewer.closed).toBe(1001);
  });
});

describe('/events', () => {
  it('has the JSON lines, numbered', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    const client = new EventClient(server);
    await until('lines', () => client.of('result').length > 3 && client.of('stats').length > 0);
    expect(client.events[0]).toMatchObject({
      event: 'start',
      data: { type: 'start', runId: 'a-run-of-a-test' },
    });
    for (const { event, data } of client.events) expect(data.type).toBe(event);
    expect(client.of('frame')[0]!.data).toMatchObject({
      cameraId: bridge.cameraId,
      crc32: expect.any(String),
    });
    const ids = client.events.map(({ id }) => Number(id.split('.')[1]));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  });

  it('chooses by type and camera', async () => {
    const server = await serve();
    const [one, other] = [await shown(server, { runner: ODD_NG }), await shown(server)];
    const some = new EventClient(server, `?types=result,stats&camera=${one.cameraId}`);
    const all = new EventClient(server, '?types=frame');
    await until('lines', () => some.of('result').length > 2 && some.of('stats').length > 0);
    expect(new Set(some.events.map(({ event }) => event))).toEqual(new Set(['start', 'result', 'stats']));
    await until('both cameras', () => new Set(all.of('frame').map(({ data }) => data.cameraId)).size === 2);
    expect(new Set(all.of('frame').map(({ data }) => data.cameraId))).toEqual(
      new Set([one.cameraId, other.cameraId]),
    );
  });

  it('has what a script on the camera attached to its frames', async () => {
    const server = await serve();
    await shown(server, { script: packageFile('firmware/examples/blobs.py') });
    const client = new EventClient(server, '?types=frame');
    await until('frames', () => client.of('frame').length > 3);
    for (const { data } of client.of('frame')) {
      const { blobs } = data['data'] as { blobs: { pixels: number }[] };
      expect(blobs[0]!.pixels).toBeGreaterThan(150);
    }
  });

  it('goes on where a client was: no result is missing', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    const all: number[] = [];
    bridge.results$.subscribe(({ sequence }) => all.push(sequence));
    const first = new EventClient(server, '?types=result');
    await until('results', () => first.of('result').length > 3);
    first.close();
    await first.closed;
    const last = first.of('result').at(-1)!;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const again = new EventClient(server, '?types=result', { 'Last-Event-ID': last.id });
    await until('results again', () => again.of('result').length > 5);
    const sequences = again.of('result').map(({ data }) => data.sequence);
    const from = all.indexOf(last.data.sequence) + 1;
    expect(sequences).toEqual(all.slice(from, from + sequences.length));
  });

  it('gives a client of an earlier run what is kept, whatever its id', async () => {
    const server = await serve();
    await shown(server, { runner: ODD_NG });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const client = new EventClient(server, '', { 'Last-Event-ID': 'other.99999' });
    await until('what was before', () => client.of('connected').length > 0);
    const odd = new EventClient(server, '', { 'Last-Event-ID': 'nonsense' });
    await until('a line', () => odd.of('frame').length > 0);
  });
});

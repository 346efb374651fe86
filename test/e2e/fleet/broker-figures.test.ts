/** Results and events at brokers that go and come again: what is counted, in `stats` and in `/metrics`, for both in one way. */
import { spawnSync } from 'node:child_process';
import type { Msg } from '@nats-io/transport-node';
import { expect, it, vi } from 'vitest';
import { needs } from '../../support/needs.js';
import { type JsonLine, Program } from '../program/program.js';
import { ODD_NG } from '../web/support.js';
import { atEnd, Listener, mosquitto, until } from './mosquitto.js';
import { TestNats } from './nats-server.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

const COUNTERS = {
  sent: 'openmv_broker_messages_sent_total',
  pending: 'openmv_broker_messages_pending',
  lost: 'openmv_broker_messages_lost_total',
  reconnects: 'openmv_broker_reconnects_total',
  connected: 'openmv_broker_connected',
} as const;

it('are counted as sent, pending or lost, and a reader is told how many it lacks', async () => {
  needs('promtool');
  const broker = await mosquitto();
  const nats = await TestNats.start();
  const plant = await Listener.open(broker.url);
  const program = new Program([
    ...['--port', 'virtual', '--no-shm', '--camera-id', 'cam', '--json', '--http', '0'],
    ...['--nats', nats.url, '--mqtt', broker.url, '--', ...ODD_NG],
  ]);
  atEnd(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  const figures = (): JsonLine => program.of('stats').at(-1)?.['brokers'] ?? { type: 'none' };
  await until('results', () => figures()['nats']?.sent > 10 && figures()['mqtt']?.sent > 10);
  expect(figures()).toMatchObject({
    nats: { connected: true, lost: 0, reconnects: 0 },
    mqtt: { connected: true, lost: 0, reconnects: 0 },
  });

  await nats.kill();
  await broker.kill();
  await until('both are away, and results come', () => {
    const { nats: there, mqtt } = figures() as JsonLine;
    return !there.connected && !mqtt.connected && there.lost > 10 && mqtt.pending > 10;
  });
  // The frames do not wait.
  const before = program.of('frame').length;
  await until('frames', () => program.of('frame').length > before + 20);
  // The bridge finds it when there is a listener.
  nats.stall();
  await nats.start();
  const heard: Msg[] = [];
  const client = await nats.client();
  client.subscribe('openmv.local.cam.event', { callback: (_error, message) => void heard.push(message) });
  await client.flush();
  nats.stall(false);
  await broker.run();
  await until('both are back, and nothing waits', () => {
    const { nats: there, mqtt } = figures() as JsonLine;
    return there.reconnects > 0 && mqtt.reconnects > 0 && there.connected && mqtt.pending < 10;
  });

  await until('a plant reads it', () => plant.of('stats').at(-1)?.json.brokers.mqtt.reconnects > 0);

  const [, url = ''] = /page: (http:\S+)/.exec(program.stderr)!;
  const scrape = async (): Promise<string> => (await fetch(new URL('/metrics', url))).text();
  await until('metrics of the figures', async () => {
    const seen = figures();
    const text = await scrape();
    if (seen !== figures()) return false;
    return Object.entries(COUNTERS).every(([field, name]) =>
      ['nats', 'mqtt'].every((kind) =>
        text.includes(`${name}{camera="cam",broker="${kind}"} ${Number(seen[kind][field])}\n`),
      ),
    );
  });
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await scrape(),
    encoding: 'utf8',
  });
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });

  program.kill('SIGTERM');
  expect((await program.ended).status, program.stderr).toBe(0);
  // What was left out has been told to those who listen.
  const told = heard.map((message) => message.json<JsonLine>()).filter(({ type }) => type === 'lost');
  const { lost } = figures()['nats'];
  expect(told.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(lost);
  expect(told[0]!['count']).toBeGreaterThan(10);
  const results = program.of('result').length;
  for (const kind of ['nats', 'mqtt']) {
    const { sent, pending, lost: missing } = figures()[kind];
    expect(sent + pending + missing, kind).toBeGreaterThanOrEqual(results);
  }
});

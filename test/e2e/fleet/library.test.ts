/** What a program does with brokers through the public interface: what the command line can do. */
import { expect, it, vi } from 'vitest';
import {
  createBridge,
  openCallServer,
  openFleetView,
  openMqtt,
  openNats,
  sendRemoteCommand,
} from '../../../src/index.js';
import { atEnd, Listener, mosquitto, until } from './mosquitto.js';
import { TestNats } from './nats-server.js';
import { DIGEST } from './workers.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

it('publishes at both brokers, has workers called, sends commands and lists cameras', async () => {
  const server = await TestNats.start();
  const broker = await mosquitto();
  const plant = await Listener.open(broker.url);
  const access = { nats: server.url, site: 'hall' };

  const nats = await openNats(access);
  atEnd(() => nats.close());
  const mqtt = await openMqtt({ mqtt: broker.url, site: 'hall' });
  atEnd(() => mqtt.close());
  const answered: string[] = [];
  const work = { runner: [process.execPath, DIGEST], camera: 'cam' };
  const workers = await openCallServer(access, work, { answered: ({ outcome }) => answered.push(outcome) });
  atEnd(() => workers.close());
  await workers.start();

  const bridge = createBridge(
    { port: 'virtual', shm: false, cameraId: 'cam', runner: 'nats:', delivery: 'every' },
    { remote: nats.remote },
  );
  atEnd(() => bridge.close());
  await bridge.open();
  mqtt.add(bridge);
  await nats.add(bridge);
  await bridge.start();
  await until('verdicts of the worker at the plant', () =>
    plant.of('result').some(({ json }) => json.resultStatus === 'OK'),
  );
  expect(answered).toContain('ok');
  expect(plant.received[0]!.topic).toMatch(/^openmv\/hall\/cam\//);

  const request = { command: 'get_stats' };
  const reply = JSON.parse(await sendRemoteCommand(access, { request, timeoutMs: 60_000 }));
  expect(reply).toMatchObject({ status: 'success', camera: 'cam', streaming: true });

  const view = await openFleetView(access);
  atEnd(() => view.close());
  await view.heard();
  expect(view.cameras).toMatchObject([{ site: 'hall', cameraId: 'cam' }]);

  await bridge.stop();
  await bridge.done;
  await until('its end', () => plant.last('status') === 'offline');
  const { brokers } = bridge.stats();
  expect(brokers.nats!.sent).toBeGreaterThan(0);
  expect(brokers.mqtt!.sent).toBeGreaterThan(0);
});

it('refuses wrong options', async () => {
  const wrong = { nats: 'http://127.0.0.1' };
  const algorithm = { runner: 'true', workers: 0 };
  const right = { nats: 'nats://127.0.0.1:9' };
  const command = { request: { command: 'get_stats' }, timeoutMs: 1_000 };
  for (const work of [
    () => openNats(wrong),
    () => openNats({ ...right, natsDelivery: 'every' }),
    () => openMqtt({ mqtt: 'http://127.0.0.1' }),
    () => openCallServer(wrong, { runner: 'true' }),
    () => openCallServer(right, algorithm),
    () => openCallServer(right, { runner: 'true', camera: 'a.b' }),
    () => openFleetView(wrong),
    () => sendRemoteCommand(wrong, command),
  ]) {
    await expect(work()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  }
  await expect(openFleetView(right)).rejects.toMatchObject({ code: 'BROKER_FAILED' });
});

/** A broker that is not there, dies in mid-stream, or says nothing any more: frames go on, and nothing is lost or doubled after it. */
import { expect, it, vi } from 'vitest';
import { Program } from '../program/program.js';
import { ODD_NG } from '../web/support.js';
import { atEnd, KEEPS, LASTING, Listener, Mosquitto, mosquitto, until } from './mosquitto.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

/** Messages that may be unanswered at a time: as many may be lost with a killed broker, or come twice. */
const WINDOW = 16;

function start(broker: Mosquitto): Program {
  const program = new Program([
    ...['--port', 'virtual', '--no-shm', '--camera-id', 'cam-1', '--json', '--mqtt', broker.url],
    ...['--delivery', 'every', '--', ...ODD_NG],
  ]);
  atEnd(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

/** Ends the run when the broker is back, and some results have followed; gives the sequences of all results. */
async function finish(program: Program, listener: Listener): Promise<number[]> {
  await until('it is back', () => ofMqtt(program, 'recovered').length > 0);
  await moreFrames(program, 10);
  program.kill('SIGTERM');
  expect((await program.ended).status, program.stderr).toBe(0);
  const all = program.of('result').map(({ sequence }) => sequence as number);
  await until('the last result', () => sequences(listener).includes(all.at(-1)!));
  await until('offline', () => listener.last('status') === 'offline');
  return all;
}

async function moreFrames(program: Program, count: number): Promise<void> {
  const before = program.of('frame').length;
  await until('frames go on', () => program.of('frame').length >= before + count);
}

const sequences = (listener: Listener): number[] =>
  listener.of('result').map(({ json }) => json.sequence as number);
const ofMqtt = (program: Program, type: string) => program.of(type).filter(({ sink }) => sink === 'mqtt');

it('killed in mid-stream and started again: results of the meantime follow, in their order', async () => {
  const broker = await mosquitto(KEEPS);
  const listener = await Listener.open(broker.url, 'openmv/#', LASTING);
  const program = start(broker);
  await until('results', () => sequences(listener).length > 20);
  await broker.kill();
  await moreFrames(program, 40);
  await broker.run();
  const all = await finish(program, listener);

  const got = sequences(listener);
  const once = [...new Set(got)];
  expect(got.length - once.length, 'came twice').toBeLessThanOrEqual(3 * WINDOW);
  // A broker that is killed takes with it what it had taken and not passed on.
  const missing = all.filter((sequence) => !once.includes(sequence));
  expect(missing.length, `missing: ${missing}`).toBeLessThanOrEqual(WINDOW);
  expect(once).toEqual(all.filter((sequence) => once.includes(sequence)));
  expect(ofMqtt(program, 'error')).toHaveLength(1);
  expect(ofMqtt(program, 'error')[0]).toMatchObject({ code: 'BROKER_FAILED', cameraId: 'cam-1' });
  expect(ofMqtt(program, 'recovered')).toMatchObject([{ cameraId: 'cam-1', lost: 0 }]);
});

it('stopped in order and started again: nothing is lost', async () => {
  const broker = await mosquitto(KEEPS);
  const listener = await Listener.open(broker.url, 'openmv/#', LASTING);
  const program = start(broker);
  await until('results', () => sequences(listener).length > 20);
  await broker.kill('SIGTERM');
  await moreFrames(program, 20);
  await broker.run();
  const all = await finish(program, listener);
  expect([...new Set(sequences(listener))]).toEqual(all);
});

it('not there at the start: it is said once, and it gets everything when it comes', async () => {
  const broker = await mosquitto(KEEPS);
  const listener = await Listener.open(broker.url, 'openmv/#', LASTING);
  await broker.kill('SIGTERM');
  const program = start(broker);
  await moreFrames(program, 20);
  expect(ofMqtt(program, 'error')).toHaveLength(1);
  expect(program.stderr).toMatch(/The MQTT broker at mqtt:\/\/127.0.0.1:\d+: nothing listens there/);
  await broker.run();
  const all = await finish(program, listener);
  expect(all[0]).toBe(1);
  expect(sequences(listener)).toEqual(all);
  expect(ofMqtt(program, 'recovered')).toMatchObject([{ lost: 0 }]);
});

it('one that stops answering holds up nothing', async () => {
  const broker = await mosquitto();
  const listener = await Listener.open(broker.url);
  const program = start(broker);
  await until('results', () => sequences(listener).length > 10);
  broker.signal('SIGSTOP');
  await moreFrames(program, 60);
  const before = sequences(listener).length;
  broker.signal('SIGCONT');
  await until('results again', () => sequences(listener).length > before + 60);
  program.kill('SIGTERM');
  expect((await program.ended).status, program.stderr).toBe(0);
  await until(
    'the last result',
    () => sequences(listener).at(-1) === program.of('result').at(-1)!['sequence'],
  );
  expect(new Set(sequences(listener))).toEqual(new Set(program.of('result').map(({ sequence }) => sequence)));
});

it('that never comes: the run ends in time, and says what did not reach it', async () => {
  const broker = await Mosquitto.start();
  const program = start(broker);
  await moreFrames(program, 20);
  program.kill('SIGTERM');
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/cam-1: \d\d+ messages did not reach mqtt/);
});

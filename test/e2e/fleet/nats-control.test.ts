/** Commands to cameras over NATS, as services, and the table of a site's cameras. */
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Program, run } from '../program/program.js';
import { ODD_NG } from '../web/support.js';
import { TestNats } from './nats-server.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

async function start(nats: TestNats, camera: string, ...args: string[]): Promise<Program> {
  const program = new Program([
    ...[
      '--port',
      'virtual',
      '--no-shm',
      '--json',
      '--nats',
      nats.url,
      '--site',
      'hall',
      '--camera-id',
      camera,
    ],
    ...args,
  ]);
  onTestFinished(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  await program.line(({ type, sequence }) => type === 'frame' && Number(sequence) > 5);
  return program;
}

/** What services say of themselves. */
async function asked(client: NatsConnection, subject: string) {
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the test is about
  const answers: any[] = [];
  const options = { strategy: 'stall', maxWait: 5_000, stall: 1_000 } as const;
  for await (const answer of await client.requestMany(subject, '', options)) answers.push(answer.json());
  return answers;
}

it('carries out the commands of the control socket, and is found as a service', async () => {
  const nats = await TestNats.start();
  const client = await nats.client();
  const a = await start(nats, 'cam-a', '--', ...ODD_NG);
  await start(nats, 'cam-b');
  const ctl = (...words: string[]) => run(['ctl', '--nats', nats.url, '--site', 'hall', ...words]);

  const found = await asked(client, '$SRV.INFO.openmv-bridge');
  expect(found.map(({ metadata }) => metadata.camera).sort()).toEqual(['cam-a', 'cam-b']);
  const one = found.find(({ metadata }) => metadata.camera === 'cam-a');
  expect(one).toMatchObject({ name: 'openmv-bridge', metadata: { site: 'hall' } });
  expect(one.endpoints).toMatchObject([{ name: 'ctl', subject: 'openmv.hall.cam-a.ctl' }]);

  const stats = await ctl('--camera', 'cam-a', 'get_stats');
  expect(stats.status, stats.stderr).toBe(0);
  expect(JSON.parse(stats.stdout)).toMatchObject({ status: 'success', camera: 'cam-a', streaming: true });
  const gain = await ctl('--camera', 'cam-b', 'set_gain', 'value=12');
  expect(JSON.parse(gain.stdout)).toMatchObject({ status: 'success' });

  const several = await ctl('get_stats');
  expect(several.stderr).toMatch(/there are: cam-a, cam-b/);
  expect(several.status).toBe(2);
  const pipeline = await ctl('--camera', 'cam-a', 'set_pipeline', 'pipeline=fakesink');
  expect(JSON.parse(pipeline.stdout)).toMatchObject({ status: 'error' });
  expect(pipeline.status).toBe(1);
  const file = await ctl('--camera', 'cam-a', 'snapshot', 'path=/tmp/x.jpg');
  expect(JSON.parse(file.stdout).message).toMatch(/not for clients over NATS/);
  const nobody = await ctl('--camera', 'nobody', 'get_stats');
  expect(nobody.stderr).toMatch(/No bridge serves the camera nobody .*PORT_NOT_FOUND/);
  expect(nobody.status).toBe(3);

  const other = await client.request('openmv.hall.cam-a.ctl', 'no JSON', { timeout: 20_000 });
  expect(other.json()).toMatchObject({ status: 'error' });

  // The server forgets services with its connections; a new connection serves them again.
  await nats.kill();
  await a.line(({ type, sink }) => type === 'error' && sink === 'nats');
  await nats.start();
  await expect
    .poll(async () => (await ctl('--camera', 'cam-a', 'get_info')).status, { timeout: 40_000 })
    .toBe(0);
  a.kill('SIGTERM');
  expect((await a.ended).status, a.stderr).toBe(0);
  expect((await ctl('--camera', 'cam-a', 'get_info')).status).toBe(3);
});

it('the cameras of a site are told as a table, also those that have fallen silent', async () => {
  const nats = await TestNats.start();
  const fleet = (...words: string[]) => ['fleet', '--nats', nats.url, '--site', 'hall', ...words];
  const none = await run(fleet());
  expect(none.stderr).toMatch(/No camera of the site hall says anything/);
  expect(none.status).toBe(1);
  const a = await start(nats, 'cam-a', '--', ...ODD_NG);
  await a.line(({ type, algorithm }) => type === 'stats' && algorithm.ng > 0);
  const b = await start(nats, 'cam-b');

  // It waits for those that are there; one that stands still for seconds is told as silent.
  let table = '';
  await expect
    .poll(async () => (table = (await run(fleet())).stdout), { timeout: 60_000 })
    .toMatch(/cam-a +streaming .*%.*\ncam-b +streaming .*\d\n/);
  const [head] = table.split('\n');
  expect(head).toMatch(/^camera +state +frames\/s +delivered +dropped +OK +NG +failed +yield +version$/);

  const watch = new Program(fleet('--watch', '--json'));
  onTestFinished(() => watch.kill('SIGKILL'));
  const of = (camera: string, status: string) => (line: { type: string; [field: string]: unknown }) =>
    line.type === 'camera' && line['cameraId'] === camera && line['status'] === status;
  const streaming = await watch.line((line) => of('cam-a', 'online')(line) && line['state'] === 'streaming');
  expect(streaming).toMatchObject({ site: 'hall', version: expect.stringMatching(/^\d/) });
  await watch.line(of('cam-b', 'online'));
  b.kill('SIGKILL');
  expect(await watch.line(of('cam-b', 'silent'))).toMatchObject({ framesPerSecond: 0 });
  await nats.kill();
  await nats.start();
  const before = watch.lines.length;
  await watch.line((line) => watch.lines.indexOf(line) >= before && of('cam-a', 'online')(line));
  watch.kill('SIGTERM');
  expect((await watch.ended).status).toBe(0);
});

it('without a server, says so', async () => {
  for (const words of [['fleet'], ['ctl', 'get_stats']]) {
    const { status, stderr } = await run([...words, '--nats', 'nats://127.0.0.1:9']);
    expect(stderr).toMatch(/NATS at nats:\/\/127.0.0.1:9 does not answer.*BROKER_FAILED/);
    expect(status).toBe(3);
  }
});

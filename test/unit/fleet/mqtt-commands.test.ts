/** Commands on an MQTT topic, and what Home Assistant is told. */
import type { IPublishPacket } from 'mqtt';
import { describe, expect, it } from 'vitest';
import type { ControlService, Reply } from '../../../src/control/index.js';
import { CommandTopic } from '../../../src/fleet/mqtt/commands.js';
import { discoveryMessages } from '../../../src/fleet/mqtt/discovery.js';
import type { Message } from '../../../src/fleet/mqtt/outbox.js';

const OWN = 'openmv/local/cam/reply';

/** A topic with a service that answers when the test says so. */
function setUp() {
  const replies: Message[] = [];
  const asked: { message: unknown; answer: (reply: Reply) => void }[] = [];
  const service = {
    answer: (message: unknown) => new Promise<Reply>((answer) => asked.push({ message, answer })),
  } as unknown as ControlService;
  const topic = new CommandTopic({
    ...{ service, cameraId: 'cam', replyTopic: OWN },
    reply: (message) => replies.push(message),
  });
  const send = (payload: object | string, more: Partial<IPublishPacket> = {}): void => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    topic.take({ payload: Buffer.from(text), retain: false, ...more } as IPublishPacket);
  };
  const said = () => replies.map(({ payload }) => JSON.parse(String(payload)) as Record<string, unknown>);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { replies, asked, send, said, settled };
}

describe('commands on a topic', () => {
  it('are carried out one after the other, for the camera of the topic', async () => {
    const { asked, send, said, settled, replies } = setUp();
    send({ command: 'get_stats', id: 1, camera: 'another' });
    send({ command: 'get_info', params: { a: 1 }, id: 'two' });
    await settled();
    expect(asked).toHaveLength(1);
    expect(asked[0]!.message).toEqual({ command: 'get_stats', camera: 'cam' });
    asked[0]!.answer({ status: 'success' });
    await settled();
    expect(asked[1]!.message).toEqual({ command: 'get_info', params: { a: 1 }, camera: 'cam' });
    asked[1]!.answer({ status: 'error', message: 'no' });
    await settled();
    expect(said()).toEqual([
      { id: 1, status: 'success' },
      { id: 'two', status: 'error', message: 'no' },
    ]);
    expect(replies.map(({ topic }) => topic)).toEqual([OWN, OWN]);
  });

  it.each([
    ['openmv-clients/7', 'openmv-clients/7'],
    [`${OWN}/7`, `${OWN}/7`],
    ['openmv/local/cam/status', OWN],
    ['openmv/local/other/command', OWN],
    ['a/#', OWN],
    ['$SYS/x', OWN],
    ['', OWN],
  ])('with MQTT 5, the response topic %j leads to %s', async (responseTopic, topic) => {
    const { asked, send, replies, settled } = setUp();
    const correlationData = Buffer.from('c');
    send({ command: 'get_stats' }, { properties: { responseTopic, correlationData } });
    await settled();
    asked[0]!.answer({ status: 'success' });
    await settled();
    expect(replies).toMatchObject([{ topic, correlationData }]);
  });

  it.each<[string, object | string, Partial<IPublishPacket>?]>([
    ['no JSON', '{"command"'],
    ['JSON object', '[1]'],
    ['JSON object', 'null'],
    ['nested', `${'['.repeat(1_000)}`],
    ['published beside this', { command: 'subscribe' }],
    ['on the control socket', { command: 'set_pipeline', params: { pipeline: 'x' } }],
    ["file of the bridge's machine", { command: 'snapshot', params: { path: '/etc/passwd' } }],
    ['without retain', { command: 'start_stream' }, { retain: true }],
    ['at most', ' '.repeat(700_000)],
  ])('are refused: %s', (words, payload, more) => {
    const { asked, send, said } = setUp();
    send(payload, more);
    expect(said()).toEqual([{ status: 'error', message: expect.stringContaining(words) }]);
    expect(asked).toEqual([]);
  });

  it('more of them than may wait get an error at once', async () => {
    const { asked, send, said, settled } = setUp();
    for (let n = 0; n < 100; n++) send({ command: 'get_stats', id: n });
    await settled();
    expect(asked).toHaveLength(1);
    expect(said()).toHaveLength(84);
    expect(said()[0]).toMatchObject({ id: 16, status: 'error' });
  });
});

describe('discovery of Home Assistant', () => {
  const camera = {
    ...{ cameraId: 'cam', site: 'hall', firmwareVersion: '5.0.0', hasAlgorithm: true },
    topic: (kind: string) => `openmv/hall/cam/${kind}`,
  };

  it('has a picture, connectivity, frame rate and yield of one device, retained', () => {
    const messages = discoveryMessages(camera, 'homeassistant');
    expect(messages.map(({ topic }) => topic)).toEqual(
      ['camera', 'binary_sensor', 'sensor', 'sensor'].map((component, index) => {
        const name = ['picture', 'connectivity', 'frame_rate', 'yield'][index];
        return `homeassistant/${component}/openmv_hall_cam/${name}/config`;
      }),
    );
    expect(messages.every(({ retain }) => retain)).toBe(true);
    const configs = messages.map(({ payload }) => JSON.parse(String(payload)));
    expect(new Set(configs.map(({ unique_id }) => unique_id)).size).toBe(4);
    for (const { device } of configs) expect(device.identifiers).toEqual(['openmv_hall_cam']);
    expect(configs[0]).toMatchObject({
      topic: 'openmv/hall/cam/picture',
      availability_topic: 'openmv/hall/cam/status',
    });
    expect(configs[1]).toMatchObject({
      state_topic: 'openmv/hall/cam/status',
      payload_on: 'online',
      payload_off: 'offline',
    });
  });

  it('has no yield without an algorithm', () => {
    const messages = discoveryMessages({ ...camera, hasAlgorithm: false }, 'ha');
    expect(messages.map(({ topic }) => topic.split('/')[3])).toEqual([
      'picture',
      'connectivity',
      'frame_rate',
    ]);
  });
});

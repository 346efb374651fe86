/** A real mosquitto for the length of a test, on a port of its own, that can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { afterEach } from 'vitest';
import { needs } from '../../support/needs.js';

/** What is written down at once, so that a killed one knows its subscribers again. */
export const KEEPS = [
  'allow_anonymous true',
  'persistence true',
  'persistence_location DIR/',
  'autosave_on_changes true',
  'autosave_interval 1',
  'max_queued_messages 0',
];
/** A subscriber whom the broker keeps messages for. */
export const LASTING: IClientOptions = {
  clean: false,
  clientId: 'listener',
  properties: { sessionExpiryInterval: 3_600 },
};
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Something to be closed when the test ends. */
export function atEnd(close: () => unknown): void {
  open.push(close);
}

export async function until(what: string, test: () => unknown, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await test())) {
    if (performance.now() > end) throw new Error(`It did not happen within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A port that nothing listens on, and that no connection of this machine gets by chance. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export class Mosquitto {
  readonly dir = mkdtempSync(join(tmpdir(), 'openmv-mosquitto-'));
  port = 0;
  log = '';
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  /** `lines` of its configuration, below its listener; `PORT` and `DIR` in them are its own. */
  static async start(lines: readonly string[] = ['allow_anonymous true']): Promise<Mosquitto> {
    needs('mosquitto');
    const broker = new Mosquitto();
    atEnd(async () => {
      await broker.kill();
      rmSync(broker.dir, { recursive: true });
    });
    broker.port = await freePort();
    // A user that a process of root would become cannot read the folder.
    const all = [`listener ${broker.port} 127.0.0.1`, 'user root', 'log_type all', ...lines];
    const text = all.join('\n').replaceAll('DIR', broker.dir);
    writeFileSync(join(broker.dir, 'mosquitto.conf'), `${text}\n`);
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Starts it, also again. */
  async run(): Promise<this> {
    const child = spawn('mosquitto', ['-c', this.path('mosquitto.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    const from = this.log.length;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    await until(`mosquitto runs: ${this.log}`, () => {
      if (child.exitCode !== null) throw new Error(`mosquitto ended: ${this.log.slice(from)}`);
      return / running$/m.test(this.log.slice(from));
    });
    return this;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.signal(signal);
    await this.#ended;
  }
}

/** A mosquitto that runs. */
export async function mosquitto(lines?: readonly string[]): Promise<Mosquitto> {
  return await (await Mosquitto.start(lines)).run();
}

export interface Received {
  readonly topic: string;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
  readonly json: any;
  readonly packet: IPublishPacket;
}

/** A client that writes down what it hears. */
export class Listener {
  readonly received: Received[] = [];
  readonly client: MqttClient;

  private constructor(client: MqttClient) {
    this.client = client;
    client.on('message', (topic, payload, packet) => {
      const text = payload.toString();
      this.received.push({ topic, text, json: /^[{[]/.test(text) ? JSON.parse(text) : undefined, packet });
    });
  }

  static async open(url: string, topic = 'openmv/#', options: IClientOptions = {}): Promise<Listener> {
    const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 100, ...options });
    atEnd(() => client.end(true));
    const listener = new Listener(client);
    await client.subscribeAsync(topic, { qos: 1 });
    return listener;
  }

  /** Of topics that end in `end`. */
  of(end: string): Received[] {
    return this.received.filter(({ topic }) => topic.endsWith(`/${end}`));
  }

  /** The latest of a topic that ends so, as text. */
  last(end: string): string | undefined {
    return this.of(end).at(-1)?.text;
  }
}

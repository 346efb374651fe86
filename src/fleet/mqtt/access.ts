/** Where the broker is and how the bridge says who it is: from the options, files and the environment. */
import { readFile } from 'node:fs/promises';
import type { IClientOptions } from 'mqtt';
import { BridgeError } from '../../errors.js';
import { readProblem } from '../../files.js';

export interface MqttAccessOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, with a user name and password or without. */
  readonly mqtt: string;
  /** File with a user name and a password, each on a line. */
  readonly mqttCredentials?: string | undefined;
  /** Files in PEM form: authorities, own certificate, its private key. */
  readonly mqttCa?: string | undefined;
  readonly mqttCert?: string | undefined;
  readonly mqttKey?: string | undefined;
}

/** A broker, ready to be connected to. */
export interface MqttAccess {
  /** The URL without credentials: for messages. */
  readonly shown: string;
  readonly options: IClientOptions;
}

const PORTS: Readonly<Record<string, number>> = { mqtt: 1_883, mqtts: 8_883, ws: 80, wss: 443 };

/** OPTION_INVALID: the URL or what goes with it is wrong. FILE_FAILED: a file cannot be read. No error shows a password. */
export async function mqttAccess(
  options: MqttAccessOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<MqttAccess> {
  const url = parse(options.mqtt);
  const protocol = url.protocol.slice(0, -1);
  const secure = protocol === 'mqtts' || protocol === 'wss';
  const { mqttCa, mqttCert, mqttKey } = options;
  const files = Object.entries({ mqttCa, mqttCert, mqttKey }).filter(([, file]) => file !== undefined);
  if (!secure && files.length > 0) {
    throw wrong(
      `Certificates are for encrypted connections: write mqtts:// or wss:// in place of ${protocol}://.`,
      ['mqtt', ...files.map(([name]) => name)],
    );
  }
  if ((mqttCert === undefined) !== (mqttKey === undefined)) {
    throw wrong('A certificate and its private key are given together.', ['mqttCert', 'mqttKey']);
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || PORTS[protocol]!;
  const path = protocol.startsWith('ws') ? `${url.pathname}${url.search}` : '';
  return {
    shown: `${protocol}://${url.hostname}:${port}${path === '/' ? '' : path}`,
    options: {
      ...{ protocol: protocol as 'mqtt', hostname, host: hostname, port },
      ...(path === '' ? {} : { path }),
      ...(await credentials(url, options.mqttCredentials, environment)),
      ...(mqttCa === undefined ? {} : { ca: await pem(mqttCa) }),
      ...(mqttCert === undefined ? {} : { cert: await pem(mqttCert), key: await pem(mqttKey!) }),
    },
  };
}

function parse(text: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // Its error has the text in it, and with it the password.
  }
  if (!url || !(url.protocol.slice(0, -1) in PORTS) || url.hostname === '') {
    throw wrong(
      'The MQTT broker is given as mqtt://HOST, mqtts://HOST, ws://HOST or wss://HOST, with :PORT behind it where it is another than usual.',
      ['mqtt'],
    );
  }
  return url;
}

type Credentials = Pick<IClientOptions, 'username' | 'password'>;

/** A file wins over the environment; the URL's and a file's exclude each other. */
async function credentials(
  url: URL,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<Credentials> {
  if (file !== undefined) {
    if (url.username !== '' || url.password !== '') {
      throw wrong('The URL and the file both say user name and password: give them in one of the two.', [
        'mqtt',
        'mqttCredentials',
      ]);
    }
    const [username = '', password = ''] = (await contents(file)).split(/\r?\n/);
    if (username === '') throw wrong(`${file} has no user name in its first line.`, ['mqttCredentials']);
    return { username, password };
  }
  if (url.username !== '') {
    return { username: decoded(url.username), password: decoded(url.password) };
  }
  const { OPENMV_MQTT_USERNAME: username, OPENMV_MQTT_PASSWORD: password } = environment;
  return username === undefined || username === '' ? {} : { username, password: password ?? '' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('A % in the user name or password of the URL is written as %25.', ['mqtt']);
  }
}

async function pem(file: string): Promise<string> {
  const text = await contents(file);
  if (text.includes('-----BEGIN ')) return text;
  throw wrong(`${file} is no file in PEM form: it has no line -----BEGIN ...-----.`, ['mqttCa', 'mqttCert']);
}

async function contents(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new BridgeError('FILE_FAILED', `The file ${file} cannot be read: ${readProblem(cause)}.`, {
      cause,
    });
  }
}

const wrong = (message: string, options: readonly string[]): BridgeError =>
  new BridgeError('OPTION_INVALID', message, { context: { options } });

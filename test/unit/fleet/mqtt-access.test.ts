/** How an MQTT broker is reached: URL, files, environment; and what is said when that cannot be. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type MqttAccessOptions, mqttAccess } from '../../../src/fleet/mqtt/access.js';
import { brokerError } from '../../../src/fleet/mqtt/failures.js';

const dir = mkdtempSync(join(tmpdir(), 'openmv-mqtt-access-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}
const PEM = file('a.pem', '-----BEGIN CERTIFICATE-----\n');
const ENVIRONMENT = { OPENMV_MQTT_USERNAME: 'env', OPENMV_MQTT_PASSWORD: 'of-env' };

describe('mqttAccess', () => {
  it.each([
    ['mqtt://host', 'mqtt://host:1883', { hostname: 'host', port: 1_883 }],
    ['mqtts://host', 'mqtts://host:8883', { hostname: 'host', port: 8_883 }],
    ['mqtt://[::1]:99', 'mqtt://[::1]:99', { hostname: '::1', port: 99 }],
    ['ws://host/mqtt', 'ws://host:80/mqtt', { hostname: 'host', port: 80, path: '/mqtt' }],
    ['mqtt://u:p%25%40@host', 'mqtt://host:1883', { username: 'u', password: 'p%@' }],
  ])('%s', async (mqtt, shown, options) => {
    const access = await mqttAccess({ mqtt }, {});
    expect(access.shown).toBe(shown);
    expect(access.options).toMatchObject(options);
  });

  it('takes credentials from a file, else from the URL, else from the environment', async () => {
    const mqttCredentials = file('credentials', 'of-file\nsecret word\n');
    const got = async (options: MqttAccessOptions) => {
      const { username, password } = (await mqttAccess(options, ENVIRONMENT)).options;
      return [username, password];
    };
    expect(await got({ mqtt: 'mqtt://h', mqttCredentials })).toEqual(['of-file', 'secret word']);
    expect(await got({ mqtt: 'mqtt://u:p@h' })).toEqual(['u', 'p']);
    expect(await got({ mqtt: 'mqtt://h' })).toEqual(['env', 'of-env']);
  });

  it.each<[string, MqttAccessOptions]>([
    ['mqtt://HOST', { mqtt: 'broker:1883' }],
    ['mqtt://HOST', { mqtt: 'https://u:secret@broker' }],
    ['mqtt://HOST', { mqtt: 'mqtt://u:secret@' }],
    ['%25', { mqtt: 'mqtt://u:secret%@h' }],
    ['one of the two', { mqtt: 'mqtt://u:secret@h', mqttCredentials: PEM }],
    ['given together', { mqtt: 'mqtts://h', mqttCert: PEM }],
    ['write mqtts://', { mqtt: 'mqtt://u:secret@h', mqttCa: PEM }],
    ['PEM', { mqtt: 'mqtts://h', mqttCa: file('text', 'secret') }],
    ['no user name', { mqtt: 'mqtts://h', mqttCredentials: file('none', '\nsecret\n') }],
    ['cannot be read', { mqtt: 'mqtts://h', mqttCa: join(dir, 'missing') }],
  ])('says %s and no password', async (words, options) => {
    const error = (await mqttAccess(options, {}).catch((cause: unknown) => cause)) as Error;
    expect(error.message).toContain(words);
    expect(JSON.stringify(error) + error.message + String(error.cause)).not.toContain('secret');
  });
});

describe('brokerError', () => {
  it.each<[object | undefined, 'connected' | 'opening', string, string]>([
    [{ code: 'ECONNREFUSED' }, 'opening', 'nothing listens there', 'BROKER_FAILED'],
    [{ code: 5 }, 'opening', 'refuses this user name', 'BROKER_DENIED'],
    [{ code: 135 }, 'opening', 'refuses this user name', 'BROKER_DENIED'],
    [{ code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'opening', 'no authority known here', 'BROKER_FAILED'],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, 'opening', 'another host name', 'BROKER_FAILED'],
    [{ code: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'opening', 'no TLS', 'BROKER_FAILED'],
    [undefined, 'opening', 'mqtts://', 'BROKER_FAILED'],
    [{ code: 'ECONNRESET' }, 'opening', 'mqtts://', 'BROKER_FAILED'],
    [undefined, 'connected', 'closed the connection', 'BROKER_FAILED'],
    [{ message: 'connack timeout' }, 'opening', 'does not answer', 'BROKER_FAILED'],
    [{ message: 'Invalid header' }, 'opening', 'mqtts://', 'BROKER_FAILED'],
    [{ message: 'it shuts down' }, 'connected', 'it shuts down', 'BROKER_FAILED'],
  ])('%j while %s: %s', (cause, was, words, code) => {
    const error = brokerError('mqtt://h:1883', cause && Object.assign(new Error('x'), cause), was);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^The MQTT broker at mqtt:\/\/h:1883: /);
    expect(error.message).toContain(words);
  });
});

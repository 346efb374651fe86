/** Options of an MQTT broker. */
import { z } from 'zod';
import { group } from './schema.js';

const text = z.string().min(1);
const prefix = z.string().regex(/^[^\s+#]{1,128}$/, 'must be the beginning of a topic, without + and #');

export const mqttShape = group('Brokers', {
  mqtt: text.optional().meta({
    flag: '--mqtt URL',
    description:
      'tell an MQTT broker states, results, figures and events, and take commands: mqtt://, mqtts://, ws:// or wss://',
    common: true,
    secret: true,
  }),
  mqttCredentials: text.optional().meta({
    flag: '--mqtt-credentials FILE',
    description:
      'user name and password, each on a line; default: of the URL, or OPENMV_MQTT_USERNAME and ..._PASSWORD',
    needs: 'mqtt',
  }),
  mqttCa: text.optional().meta({
    flag: '--mqtt-ca FILE',
    description: "certificates (PEM) of the authority that signed the broker's; default: those of Node",
    needs: 'mqtt',
  }),
  mqttCert: text.optional().meta({
    flag: '--mqtt-cert FILE',
    description: 'certificate (PEM) with which the bridge says who it is',
    needs: 'mqtt',
  }),
  mqttKey: text.optional().meta({
    flag: '--mqtt-key FILE',
    description: 'private key (PEM) of that certificate',
    needs: 'mqtt',
  }),
  mqttDiscovery: z.union([z.boolean(), prefix]).default(false).meta({
    flag: '--mqtt-discovery [PREFIX]',
    description:
      'show the cameras in Home Assistant, with a picture a second; prefix without one: homeassistant',
    needs: 'mqtt',
  }),
});

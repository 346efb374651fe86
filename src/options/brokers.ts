/** Options of brokers: what a run publishes there, and how a server is reached. */
import { z } from 'zod';
import { group, milliseconds } from './schema.js';

const text = z.string().min(1);
/** What every broker takes as a part of a name. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be letters, digits, underscore and hyphen, at most 64 of them');

const server = z
  .string()
  .regex(
    /^(nats|tls):\/\/[^\s,@/]+(,(nats|tls):\/\/[^\s,@/]+)*$/,
    'Give nats://HOST:PORT or tls://HOST:PORT, several with commas; user and password belong in NATS_USER and NATS_PASSWORD',
  );

/** How a NATS server is reached; the names in brackets are of environment variables, those of NATS' own command. */
const natsAccess = {
  natsCreds: text.optional().meta({
    flag: '--nats-creds FILE',
    description: 'credentials for it (NATS_CREDS; or NATS_USER and NATS_PASSWORD, or NATS_TOKEN)',
  }),
  natsCa: text.optional().meta({
    flag: '--nats-ca FILE',
    description: "certificates by which the server's is checked (NATS_CA)",
  }),
  natsCert: text.optional().meta({
    flag: '--nats-cert FILE',
    description: 'certificate of this client (NATS_CERT)',
  }),
  natsKey: text.optional().meta({
    flag: '--nats-key FILE',
    description: 'the private key of that certificate (NATS_KEY)',
  }),
};

/** The place of a camera in the names at a broker. */
const site = name.default('local').meta({
  flag: '--site NAME',
  description: 'the plant, line or building, in the names at a broker',
});

/** For programs that only read at a NATS server. */
export const natsClientShape = group('Brokers', {
  nats: server.default('nats://127.0.0.1:4222').meta({
    flag: '--nats URL[,URL]',
    description: 'the NATS server',
    common: true,
  }),
  site,
  ...natsAccess,
});
export const natsClientSchema = z.strictObject(natsClientShape);
/** How a NATS server is reached, as a program gives it. */
export type NatsClientInput = z.input<typeof natsClientSchema>;
/** How a NATS server is reached, defaults filled in. */
export type NatsClientOptions = z.infer<typeof natsClientSchema>;

/** What a run publishes. */
export const brokersShape = group('Brokers', {
  site: site.meta({ ...site.meta(), needs: 'nats|mqtt' }),
  nats: server.optional().meta({
    flag: '--nats URL[,URL]',
    description: 'publish frames, results, events and figures at a NATS server',
    common: true,
  }),
  natsStream: name.optional().meta({
    flag: '--nats-stream NAME',
    description: 'JetStream keeps them in this stream, which is made if it is missing',
    needs: 'nats',
  }),
  natsDelivery: z.enum(['latest', 'every']).default('latest').meta({
    flag: '--nats-delivery POLICY',
    description: 'what the stream does not take is counted, or the sensor waits for it',
    needs: 'natsStream',
  }),
  natsMaxAgeMs: milliseconds.optional().meta({
    flag: '--nats-max-age TIME',
    description: 'the stream keeps messages that long; default: while there is room',
    unit: 's',
    needs: 'natsStream',
  }),
  natsMaxBytes: z
    .int()
    .min(2 ** 20)
    .optional()
    .meta({
      flag: '--nats-max-bytes BYTES',
      description: 'room of the stream; the oldest messages go. Default: 1 GiB when it is made',
      unit: 'bytes',
      needs: 'natsStream',
    }),
  natsCreds: natsAccess.natsCreds.meta({ ...natsAccess.natsCreds.meta(), needs: 'nats' }),
  natsCa: natsAccess.natsCa.meta({ ...natsAccess.natsCa.meta(), needs: 'nats' }),
  natsCert: natsAccess.natsCert.meta({ ...natsAccess.natsCert.meta(), needs: 'nats' }),
  natsKey: natsAccess.natsKey.meta({ ...natsAccess.natsKey.meta(), needs: 'nats' }),
});
/** Other options of a run may stand beside these. */
export const brokersSchema = z.object(brokersShape);
/** What a run publishes, as a program gives it. */
export type BrokerInput = z.input<typeof brokersSchema>;
/** What a run publishes, defaults filled in. */
export type BrokerOptions = z.infer<typeof brokersSchema>;

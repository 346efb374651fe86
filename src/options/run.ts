/** Options of a whole run, and the configuration file that can hold all of them. */
import { z } from 'zod';
import { bridgeOptionsSchema } from './bridge.js';
import { brokersShape } from './brokers.js';
import { mqttShape } from './mqtt.js';
import { group, milliseconds } from './schema.js';

const text = z.string().min(1);

/** Where a server listens. */
const address = z
  .string()
  .regex(/^((\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?\d{1,5}$/, {
    error: 'Give a port, or an address and a port, such as 8080, 0.0.0.0:8080 or [::]:8080',
    abort: true,
  })
  .refine(
    (address) => Number(address.slice(address.lastIndexOf(':') + 1)) <= 65_535,
    'A port is at most 65535',
  );

export const runOptionsSchema = z.strictObject({
  ...group('Control', {
    control: z.union([z.boolean(), text]).default(false).meta({
      flag: '--control [PATH]',
      description: 'open a control socket, at a path of your own if one is given',
      common: true,
    }),
    controlName: z.enum(['openmv', 'vizion']).optional().meta({
      flag: '--control-name NAME',
      description: 'control socket where the clients of that program look for it',
    }),
  }),
  ...group('Replay', {
    loop: z.boolean().default(false).meta({
      flag: '--loop',
      description: 'begin again when the recording has ended, as another run; with --port replay:FILE',
    }),
  }),
  ...group('HTTP', {
    http: address.optional().meta({
      flag: '--http [HOST:]PORT',
      description: 'serve the page and the HTTP interface there; the host is 127.0.0.1 without one',
      common: true,
    }),
    httpToken: z
      .string()
      .regex(/^[\x21-\x7e]{1,256}$/, 'Give 1 to 256 visible ASCII characters')
      .optional()
      .meta({
        flag: '--http-token TOKEN',
        description:
          'who asks over HTTP, or for --foxglove, must have it; needed for any host but 127.0.0.1, ::1 and localhost',
        secret: true,
        needs: 'http|foxglove',
      }),
    httpTokenFile: text.optional().meta({
      flag: '--http-token-file FILE',
      description: 'the same, from the first line of a file',
      needs: 'http|foxglove',
    }),
    keepNg: z.int().min(0).max(100_000).default(100).meta({
      flag: '--keep-ng N',
      description:
        'NG frames of each camera that the page keeps with their results, at most 64 MiB, or 1 GiB in a folder',
      needs: 'http',
    }),
    keepNgDir: text.optional().meta({
      flag: '--keep-ng-dir DIR',
      description: 'keep them in this folder, also for later runs; without it, in memory',
      needs: 'http',
    }),
  }),
  ...brokersShape,
  ...mqttShape,
  ...group('Recording', {
    record: text.optional().meta({
      flag: '--record PATH',
      description:
        'record frames, results, events, figures and log to this .mcap file, or to segments in this folder',
      common: true,
    }),
    recordSplitBytes: z
      .int()
      .min(2 ** 16)
      .default(2 ** 30)
      .meta({
        flag: '--record-split-bytes BYTES',
        description: 'in a folder: another segment begins at this size',
        unit: 'bytes',
        needs: 'record',
      }),
    recordSplitMs: milliseconds.optional().meta({
      flag: '--record-split-time TIME',
      description: 'in a folder: another segment begins after this time',
      unit: 's',
      needs: 'record',
    }),
    recordMaxBytes: z
      .int()
      .min(2 ** 18)
      .optional()
      .meta({
        flag: '--record-max-bytes BYTES',
        description: 'in a folder: room for all segments, also of earlier runs; the oldest are removed',
        unit: 'bytes',
        needs: 'record',
      }),
    recordWhen: z.enum(['all', 'ng']).default('all').meta({
      flag: '--record-when WHICH',
      description: 'everything, or frames and results only around each NG',
      needs: 'record',
    }),
    recordAroundMs: milliseconds.max(600_000).default(5_000).meta({
      flag: '--record-around TIME',
      description: 'with `--record-when ng`: so long before and behind each',
      unit: 's',
      needs: 'record',
    }),
    recordWire: z.boolean().default(false).meta({
      flag: '--record-wire',
      description: 'record all bytes between host and camera as well',
      needs: 'record',
    }),
    foxglove: address.optional().meta({
      flag: '--foxglove [HOST:]PORT',
      description:
        'serve the same live there, for Foxglove and Lichtblick; the host is 127.0.0.1 without one',
    }),
  }),
  ...group('Output', {
    json: z.boolean().default(false).meta({
      flag: '--json',
      description: 'one JSON object a line on stdout; text for people goes to stderr',
      common: true,
    }),
    logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').meta({
      flag: '--log-level LEVEL',
      description: 'least important line of the log',
      common: true,
    }),
    logFormat: z.enum(['pretty', 'json']).default('pretty').meta({
      flag: '--log-format FORMAT',
      description: 'the log on stderr: for people, or a JSON object a line (pino)',
    }),
    stats: z
      .union([z.literal('off'), milliseconds.min(1_000)])
      .default(1_000)
      .meta({
        flag: '--stats TIME',
        description: 'how often figures are told, or off',
        unit: 's',
        common: true,
      }),
    quiet: z.boolean().default(false).meta({
      flag: '--quiet',
      description: 'nothing but data and errors',
      common: true,
    }),
  }),
});
export type RunOptions = z.infer<typeof runOptionsSchema>;

/** Far more than a machine has ports. */
const MAX_CAMERAS = 64;

/** A configuration file: the options of a run and those of its cameras. */
export const configSchema = z
  .strictObject({
    $schema: z.string().optional().meta({ description: 'for editors: where this schema is' }),
    ...bridgeOptionsSchema.shape,
    ...runOptionsSchema.shape,
    port: z
      .union([text, z.array(text).min(1)])
      .default('auto')
      .meta({
        ...bridgeOptionsSchema.shape.port.meta(),
        description: `${bridgeOptionsSchema.shape.port.description}; repeatable`,
        repeatable: true,
      }),
    cameras: z.array(bridgeOptionsSchema).min(1).max(MAX_CAMERAS).optional().meta({
      description: 'the cameras, each with options of its own; the others above hold for all of them',
    }),
  })
  .meta({ title: 'Configuration of openmv-bridge' });
/** What such a file may hold; the defaults are not filled in. */
export type ConfigFile = z.input<typeof configSchema>;

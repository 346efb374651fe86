/** Options of a camera connection: what they are, their ranges and defaults. */
import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { HOST_MIN_PAYLOAD, PROTOCOL_BAUDRATE } from '../protocol/constants.js';

/** Largest frame believed by default: 16 MiB. */
const DEFAULT_MAX_FRAME = 16 * 1024 * 1024;

export const cameraOptionsSchema = z.strictObject({
  /** A device path, `auto` for the only camera plugged in, or `virtual`. */
  port: z.string().min(1).default('auto'),
  /** 921600 selects the protocol on USB cameras; a UART transport may have been given another rate. */
  baudrate: z.number().int().min(1_200).max(12_000_000).default(PROTOCOL_BAUDRATE),
  /** Acknowledge each packet; auto: off on USB and virtual lines, which deliver every byte, on elsewhere. */
  ack: z.enum(['auto', 'on', 'off']).default('auto'),
  /** Bytes; the camera's own limit applies as well. */
  maxPayload: z.number().int().min(HOST_MIN_PAYLOAD).max(16_384).default(16_384),
  /** Off saves time on lines that are known to be good; damage is then found by the JPEG's markers only. */
  crc: z.boolean().default(true),
  /** Name of this camera in events and file names; default: its unique id in hexadecimal. */
  cameraId: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, underscore and hyphen only, at most 64')
    .optional(),
  /** Largest frame in bytes that is believed. */
  maxFrameBytes: z
    .number()
    .int()
    .min(1_024)
    .max(64 * 1024 * 1024)
    .default(DEFAULT_MAX_FRAME),
  /** Settings of the virtual camera; see `src/virtual`. */
  virtual: z.record(z.string(), z.unknown()).default({}),
});

export type CameraOptions = z.infer<typeof cameraOptionsSchema>;
export type CameraInput = z.input<typeof cameraOptionsSchema>;

/** Parses options from anywhere; OPTION_INVALID names each option that is wrong. */
export function parseOptions<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'options'}: ${inWords(issue)}`,
  );
  throw new BridgeError('OPTION_INVALID', `Wrong options: ${problems.join('; ')}.`, {
    context: { problems },
  });
}

/** What is wrong with a value, for people who do not know the checker's own terms. */
function inWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return `must ${issue.origin === 'string' ? 'have' : 'be'} at least ${issue.minimum}${unitOf(issue)}`;
    case 'too_big':
      return `must ${issue.origin === 'string' ? 'have' : 'be'} at most ${issue.maximum}${unitOf(issue)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `there is no option ${issue.keys.join(', ')}`;
    default:
      return issue.message;
  }
}

const unitOf = ({ origin }: { readonly origin: string }): string =>
  origin === 'string' ? ' characters' : '';

/** Which frames of a recording a command is to take: by sequence, by time, of one camera. */
import { z } from 'zod';
import type { RecordedFrame } from '../replay/index.js';

const group = 'Options';
const range = (what: string) =>
  z
    .string()
    .regex(/^(\d+(\.\d+)?)?-(\d+(\.\d+)?)?$/, `Give ${what} from-to, such as 10-20, 10- or -20`)
    .optional();

/** The flags. */
export const frameRangeShape = {
  sequence: range('sequences').meta({
    flag: '--sequence A-B',
    group,
    description: 'only frames with these sequences',
  }),
  time: range('seconds').meta({
    flag: '--time A-B',
    group,
    description: 'only frames of this time, in seconds since the first frame',
  }),
  cameraId: z.string().min(1).optional().meta({
    flag: '--camera-id ID',
    group,
    description: 'only frames of this camera',
  }),
};

export type FrameRange = z.infer<z.ZodObject<typeof frameRangeShape>>;

/** Tells whether a frame is wanted; it is asked about all of a recording, in order, from the first on. */
export function inRange({ sequence, time, cameraId }: FrameRange): (frame: RecordedFrame) => boolean {
  const [sequences, times] = [within(sequence), within(time)];
  let firstMs: number | undefined;
  return (frame) => {
    if (cameraId !== undefined && frame.cameraId !== cameraId) return false;
    firstMs ??= frame.timestampMs;
    return sequences(frame.sequence) && times((frame.timestampMs - firstMs) / 1_000);
  };
}

function within(text = '-'): (value: number) => boolean {
  const [from = '', to = ''] = text.split('-');
  const [least, most] = [
    from === '' ? Number.NEGATIVE_INFINITY : Number(from),
    to === '' ? Number.POSITIVE_INFINITY : Number(to),
  ];
  return (value) => value >= least && value <= most;
}

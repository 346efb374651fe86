/** What GStreamer is fed: the measured rate, the times of frames, and which of them wait until the rate is known. */
import { describe, expect, it } from 'vitest';
import { frameDurationNs } from '../../../src/gstreamer/frame-rate.js';
import { type GstFrame, MatroskaStream } from '../../../src/gstreamer/matroska.js';

/** Frames per second, from the times of `frames` frames, `intervalMs` apart. */
const rate = (intervalMs: number, frames = 12, sensorRate?: number): number =>
  1e9 /
  frameDurationNs(
    Array.from({ length: frames }, (_, index) => 1e12 + index * intervalMs),
    sensorRate,
  );

describe('the rate of a stream', () => {
  it.each([
    ['exact', 40, 25],
    ['a little slow', 35.5, 30],
    ['a little fast', 15.9, 60],
    ['one that is not usual', 1000 / 7, 7],
    ['faster than any sensor', 0.1, 1_000],
    ['slow', 900, 1],
  ])('%s: %d ms apart are %d a second', (_, intervalMs, expected) => {
    expect(rate(intervalMs)).toBeCloseTo(expected, 3);
  });

  it('may be several seconds a frame', () => {
    expect(1 / rate(3_100)).toBeCloseTo(3, 6);
  });

  it("is the sensor's own where it is about that", () => {
    expect(rate(40, 12, 28)).toBeCloseTo(28, 6);
    expect(rate(100, 12, 28)).toBeCloseTo(10, 6);
  });

  it('does not count a first frame that had waited at the camera', () => {
    const late = [1e12 + 39, ...Array.from({ length: 5 }, (_, index) => 1e12 + (index + 1) * 40)];
    expect(1e9 / frameDurationNs(late)).toBeCloseTo(25, 6);
  });

  it('of one frame is what the sensor is set to, or one a second', () => {
    expect(frameDurationNs([1e12], 20)).toBe(50_000_000);
    expect(frameDurationNs([1e12])).toBe(1e9);
    expect(Number.isFinite(frameDurationNs([1e12, 1e12]))).toBe(true);
  });
});

describe('a Matroska stream', () => {
  const frame = (timestampMs: number, capturedAtMs?: number): GstFrame => ({
    jpeg: new Uint8Array([0xff, 0xd8, 0xff, 0xd9]),
    width: 4,
    height: 2,
    timestampMs,
    ...(capturedAtMs === undefined ? {} : { capturedAtMs }),
  });
  /** Times of the frames in the bytes, in microseconds: what each cluster begins with. */
  const times = (chunks: readonly Uint8Array[]): number[] => {
    const bytes = Buffer.concat(chunks);
    const found: number[] = [];
    for (let at = bytes.indexOf('1f43b675', 0, 'hex'); at >= 0; at = bytes.indexOf('1f43b675', at + 1, 'hex'))
      found.push(Number(bytes.readBigUInt64BE(at + 4 + 8 + 1 + 8)));
    return found;
  };

  it('keeps the first frames until their times tell the rate, and loses none', () => {
    const stream = new MatroskaStream();
    for (let index = 0; index < 11; index++) expect(stream.push(frame(1_000 + index * 20))).toEqual([]);
    expect(stream.held).toBe(11);
    expect(times(stream.push(frame(1_220)))).toEqual(
      Array.from({ length: 12 }, (_, index) => index * 20_000),
    );
    expect(stream.durationNs).toBe(20_000_000);
    expect(stream.held).toBe(0);
    expect(times(stream.push(frame(1_241.5)))).toEqual([241_500]);
  });

  it('keeps no frame when the rate is known, and few when they are large', () => {
    expect(times(new MatroskaStream(1e7).push(frame(5)))).toEqual([0]);
    const stream = new MatroskaStream();
    const large = { ...frame(0), jpeg: new Uint8Array(20 * 2 ** 20) };
    expect(stream.push(large)).toEqual([]);
    expect(stream.push({ ...large, timestampMs: 50 })).toHaveLength(5);
  });

  it('can begin with what there is', () => {
    const stream = new MatroskaStream();
    expect(stream.begin()).toEqual([]);
    stream.push(frame(1_000));
    expect(times(stream.begin())).toEqual([0]);
    expect(stream.begun).toBe(true);
  });

  it('has the times of the captures where they are known', () => {
    const stream = new MatroskaStream(1e7);
    stream.push(frame(2_050, 2_000));
    expect(times(stream.push(frame(2_099, 2_033.25)))).toEqual([33_250]);
  });

  it("goes forward only, when the system's clock is set back", () => {
    const stream = new MatroskaStream(40_000_000);
    stream.push(frame(100_000));
    expect(times(stream.push(frame(100_040)))).toEqual([40_000]);
    expect(times(stream.push(frame(50_000)))).toEqual([80_000]);
    expect(times(stream.push(frame(50_045)))).toEqual([125_000]);
  });
});

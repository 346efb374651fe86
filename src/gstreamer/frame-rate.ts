/**
 * The rate of a stream, from the times of its first frames. Encoders and file formats want it before the first one:
 * theoraenc takes no stream without a rate, and avimux writes a file that no player shows.
 */

/** Rates that sensors are usually set to, in frames per second. What is measured over a few frames is some percent off. */
const USUAL = [5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 100, 120];
const NEAR_USUAL = 0.1;
const NEAR_SENSOR = 0.25;
const FASTEST = 1_000;
const SECOND_MS = 1_000;
const SECOND_NS = 1_000_000_000;

/**
 * How long a frame is shown, in nanoseconds, from the times of frames in milliseconds: that of the sensor's own rate
 * (`sensorRate`, if one is set) or of a usual one where it is about that, else of a whole number of frames per second, or of
 * seconds per frame. One frame tells no rate: that of the sensor, or a second.
 */
export function frameDurationNs(timesMs: readonly number[], sensorRate?: number): number {
  // The first frame may have waited at the camera, and is too close to the second one then.
  const steady = timesMs.length > 3 ? timesMs.slice(1) : timesMs;
  const frames = steady.length - 1;
  if (frames < 1) return Math.round(SECOND_NS / (sensorRate ?? 1));
  const tookMs = Math.max(1, steady.at(-1)! - steady[0]!);
  const rate = Math.min(FASTEST, (frames * SECOND_MS) / tookMs);
  const off = (one: number): number => Math.abs(rate - one) / one;
  const [usual] = USUAL.filter((one) => off(one) <= NEAR_USUAL).sort((a, b) => off(a) - off(b));
  const known = sensorRate !== undefined && off(sensorRate) <= NEAR_SENSOR ? sensorRate : usual;
  if (known !== undefined || rate >= 1) return Math.round(SECOND_NS / (known ?? Math.round(rate)));
  return Math.round(1 / rate) * SECOND_NS;
}

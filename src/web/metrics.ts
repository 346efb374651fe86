/** Metrics for Prometheus: what `/metrics` answers. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { packageVersion } from '../package.js';
import type { CameraList } from './cameras.js';
import { FrameMeter } from './frame-meter.js';
import { CAMERA_METRICS, type CameraMetric, type Metered } from './metric-table.js';
import type { Viewers } from './viewers.js';
import type { WatchedCamera } from './watched-camera.js';

/** Seconds: from an algorithm on a fast machine to one that is waited for. */
const LATENCIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const PHASES = ['queue', 'transfer', 'compute'] as const;

export class Metrics {
  readonly #registry = new Registry();
  readonly #cameras: CameraList;
  readonly #end: () => void;
  readonly #meters = new Map<WatchedCamera, FrameMeter>();
  readonly #interval = this.#histogram('openmv_frame_interval_seconds', 'From one frame to the next.');
  readonly #delivered = this.#histogram(
    'openmv_delivery_latency_seconds',
    'From the capture of a frame to its delivery.',
  );
  readonly #total = this.#histogram(
    'openmv_result_latency_seconds',
    "From a frame's arrival to the algorithm's result.",
  );
  readonly #fromCapture = this.#histogram(
    'openmv_capture_to_result_seconds',
    "From the capture of a frame to the algorithm's result.",
  );
  readonly #phase = this.#histogram(
    'openmv_result_phase_seconds',
    'The same in parts: waiting for a free worker, handing the frame over, from the call to its result.',
    ['phase'],
  );

  constructor(cameras: CameraList, viewers: Viewers) {
    this.#cameras = cameras;
    this.#end = cameras.each((camera) => this.#add(camera));
    for (const metric of CAMERA_METRICS) this.#addCameraMetric(metric);
    this.#addProcess(viewers);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in the text form of Prometheus, version 0.0.4. */
  async text(): Promise<string> {
    this.#forget();
    return await this.#registry.metrics();
  }

  /** Looks at no camera any more. */
  close(): void {
    this.#end();
    for (const meter of this.#meters.values()) meter.close();
    this.#meters.clear();
  }

  #add(camera: WatchedCamera): void {
    this.#forget();
    const labels = { camera: camera.id };
    const phases = PHASES.map((phase) => [`${phase}Ms` as const, { ...labels, phase }] as const);
    this.#interval.zero(labels);
    this.#delivered.zero(labels);
    if (camera.bridge.options.runner !== undefined) {
      this.#total.zero(labels);
      this.#fromCapture.zero(labels);
      for (const [, both] of phases) this.#phase.zero(both);
    }
    const meter = new FrameMeter(camera.bridge, {
      delivered: (ms) => this.#delivered.observe(labels, ms / 1_000),
      interval: (ms) => this.#interval.observe(labels, ms / 1_000),
      result: (latency, capturedBeforeMs) => {
        const { queueMs, transferMs, computeMs } = latency;
        const ms = queueMs + transferMs + computeMs;
        this.#total.observe(labels, ms / 1_000);
        if (capturedBeforeMs !== undefined)
          this.#fromCapture.observe(labels, (capturedBeforeMs + ms) / 1_000);
        for (const [name, both] of phases) this.#phase.observe(both, latency[name] / 1_000);
      },
    });
    this.#meters.set(camera, meter);
  }

  /** Cameras that have ended have no series any more. */
  #forget(): void {
    for (const [camera, meter] of this.#meters) {
      if (this.#cameras.all.includes(camera)) continue;
      meter.close();
      this.#meters.delete(camera);
      // One of the same id may have come in its place.
      if (this.#cameras.all.some(({ id }) => id === camera.id)) continue;
      this.#delivered.remove({ camera: camera.id });
      this.#interval.remove({ camera: camera.id });
      this.#total.remove({ camera: camera.id });
      this.#fromCapture.remove({ camera: camera.id });
      for (const phase of PHASES) this.#phase.remove({ camera: camera.id, phase });
    }
  }

  #addCameraMetric({ kind, name, help, labels, read }: CameraMetric): void {
    const all = (): readonly Metered[] => [...this.#meters].map(([camera, meter]) => ({ camera, meter }));
    const settings = { name, help, labelNames: ['camera', ...labels], registers: [this.#registry] };
    const each = (set: (labels: Record<string, string>, value: number) => void): void => {
      for (const metered of all()) {
        for (const [more, value] of read(metered)) set({ camera: metered.camera.id, ...more }, value);
      }
    };
    // The figures are counted elsewhere: a counter is set to what they are.
    if (kind === 'counter') {
      new Counter({
        ...settings,
        collect() {
          this.reset();
          each((series, value) => this.inc(series, value));
        },
      });
    } else {
      new Gauge({
        ...settings,
        collect() {
          this.reset();
          each((series, value) => this.set(series, value));
        },
      });
    }
  }

  /** The program itself, in the usual names. */
  #addProcess(viewers: Viewers): void {
    const cameras = this.#cameras;
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        ...{ name, help, registers },
        collect() {
          this.set(read());
        },
      });
    };
    new Gauge({
      ...{ name: 'openmv_bridge_info', help: 'Always 1; the version that runs.', registers },
      labelNames: ['version'],
    }).set({ version: packageVersion() }, 1);
    gauge('openmv_cameras', 'Cameras that have come.', () => cameras.all.length);
    gauge('openmv_cameras_missing', 'Cameras that are waited for.', () => cameras.missing.length);
    gauge('openmv_http_viewers', 'Clients of pictures and events.', () => viewers.count);
    gauge('process_start_time_seconds', 'When the program was started, Unix time.', () => {
      return (Date.now() - process.uptime() * 1_000) / 1_000;
    });
    gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
    new Counter({
      ...{ name: 'process_cpu_seconds_total', help: 'Processor time, user and system.', registers },
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    });
  }

  #histogram(name: string, help: string, labels: readonly string[] = []): Histogram {
    const settings = { name, help, labelNames: ['camera', ...labels], buckets: LATENCIES };
    return new Histogram({ ...settings, registers: [this.#registry] });
  }
}

/** What a bridge tells of its camera, its sinks and its algorithm, as events. */
import type { Camera } from '../camera/index.js';
import type { BridgeError } from '../errors.js';
import type { DropReason, Frame } from '../frames/index.js';
import type { LogLine, RunnerState } from '../runner/index.js';
import type { BridgeEventFields, FrameResult, SkipReason } from './events.js';
import type { SourceKind } from './script-appears.js';
import type { SinkKind } from './sink.js';
import type { StatsMeter } from './stats-meter.js';
import type { Streams } from './streams.js';

export class Reports {
  readonly #streams: Streams;
  readonly #runId: string;
  readonly #meter: StatsMeter;
  /** The camera's name, which is known better once it is connected. */
  readonly #cameraId: () => string;

  constructor(streams: Streams, runId: string, cameraId: () => string, meter: StatsMeter) {
    this.#meter = meter;
    this.#streams = streams;
    this.#runId = runId;
    this.#cameraId = cameraId;
  }

  /** Says who is connected, and listens to what its script prints. Once for each connection. */
  connected(camera: Camera): void {
    const { port, version, link } = camera.info();
    this.#emit({
      type: 'connected',
      cameraId: this.#cameraId(),
      port,
      protocolVersion: version.protocol.join('.'),
      firmwareVersion: version.firmware.join('.'),
      maxPayload: link.maxPayload,
      ack: link.ack,
    });
    camera.stdout$.subscribe((text) => this.#emit({ type: 'stdout', cameraId: this.#cameraId(), text }));
  }

  source(source: SourceKind): void {
    this.#emit({ type: 'source', cameraId: this.#cameraId(), source });
  }

  disconnected({ code, message }: BridgeError): void {
    this.#emit({ type: 'disconnected', cameraId: this.#cameraId(), code, message });
  }

  dropped(reason: DropReason | 'pipeline', count: number): void {
    this.#emit({ type: 'dropped', cameraId: this.#cameraId(), reason, count });
  }

  /** `sink`: what it is about, where that is one. */
  failed(error: BridgeError, sink?: SinkKind): void {
    this.#emit({ type: 'error', cameraId: this.#cameraId(), error, ...(sink === undefined ? {} : { sink }) });
  }

  recovered(sink: SinkKind, lost: number): void {
    this.#emit({ type: 'recovered', cameraId: this.#cameraId(), sink, lost });
  }

  /** What GStreamer warns of. */
  warned(text: string): void {
    this.#emit({ type: 'pipeline', cameraId: this.#cameraId(), text });
  }

  result(frame: Frame, result: FrameResult): void {
    this.#meter.result(frame, result);
    this.#streams.result(frame, result);
  }

  skipped(frame: Frame, reason: SkipReason): void {
    this.#emit({ type: 'skipped', cameraId: this.#cameraId(), sequence: frame.sequence, reason });
    this.#streams.skipped(frame, reason);
  }

  state(state: RunnerState): void {
    this.#emit({ type: 'runner', cameraId: this.#cameraId(), state });
  }

  log(line: LogLine, worker: number): void {
    this.#emit({ type: 'log', cameraId: this.#cameraId(), line, worker });
  }

  #emit(event: BridgeEventFields): void {
    this.#streams.event({ runId: this.#runId, ...event });
  }
}

/** Tells an error once for each reason in a row, not for every attempt. */
export function oncePerReason(tell: (error: BridgeError) => void): (error: BridgeError) => void {
  let told: string | undefined;
  return (error) => {
    if (error.code !== told) tell(error);
    told = error.code;
  };
}

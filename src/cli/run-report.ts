/** Tells what a running bridge does: JSON lines for programs, a live line a second for people. */
import type { Bridge } from '../bridge/bridge.js';
import type { BridgeEvent, BridgeStats } from '../bridge/events.js';
import { frameLine, logLine, resultLine } from '../bridge/json-lines.js';
import type { ControlServer } from '../control/index.js';
import { logText } from './log-text.js';
import type { Output } from './output.js';

/** Subscribes to everything; ends with the bridge. */
export function reportBridge(bridge: Bridge, output: Output, several: boolean): void {
  const name = several ? `${bridge.camera.id} ` : '';
  bridge.events$.subscribe((event) => {
    reportEvent(event, output, name, bridge.options.workers > 1);
  });
  bridge.stats$.subscribe((stats) => {
    if (output.json) output.line({ type: 'stats', ...stats });
    else output.live(name + liveLine(stats));
  });
  if (!output.json) return;
  bridge.frames$.subscribe((frame) => {
    output.line(frameLine(frame));
  });
  bridge.results$.subscribe((result) => {
    output.line(resultLine(result));
  });
}

/** Adds a camera to the control socket, and its statistics as VizionStreamer prints them to stderr. */
export function attachControl(
  control: ControlServer,
  bridge: Bridge,
  output: Output,
  several: boolean,
): void {
  control.add(bridge);
  const name = several ? `${bridge.cameraId} ` : '';
  bridge.stats$.subscribe(({ framesPerSecond, delivered, frameBytes }) => {
    if (!bridge.streaming.active) return;
    output.log(
      'info',
      `${name}FPS: ${Math.round(framesPerSecond)} | Total frames: ${delivered} | Frame size: ${frameBytes} bytes`,
    );
  });
}

function reportEvent(event: BridgeEvent, output: Output, name: string, workers: boolean): void {
  if (event.type === 'error') {
    output.error(event.error);
    return;
  }
  if (output.json && event.type !== 'runner') output.line(event.type === 'log' ? logLine(event) : event);
  switch (event.type) {
    case 'connected':
      output.log(
        'info',
        `${name}connected to ${event.cameraId} on ${event.port}: firmware ${event.firmwareVersion}, protocol ${event.protocolVersion}, ${event.maxPayload} bytes a packet, acks ${event.ack ? 'on' : 'off'}`,
      );
      break;
    case 'dropped':
      output.log(
        'warn',
        `${name}${event.count} frame${event.count === 1 ? '' : 's'} dropped: ${event.reason}`,
      );
      break;
    case 'disconnected':
      output.log('error', `${name}disconnected: ${event.message} [${event.code}]`);
      break;
    case 'stdout':
      output.log('info', `${name}camera: ${event.text.trimEnd()}`);
      break;
    case 'runner':
      output.log(event.state === 'failed' ? 'error' : 'debug', `${name}algorithm: ${event.state}`);
      break;
    case 'log':
      output.log(
        event.line.level,
        `${name}algorithm${workers ? ` ${event.worker}` : ''}: ${logText(event.line)}`,
      );
  }
}

function liveLine(stats: BridgeStats): string {
  const parts = [
    `${stats.framesPerSecond.toFixed(1).padStart(6)} frames/s`,
    `${(stats.bytesPerSecond / 1e6).toFixed(2).padStart(6)} MB/s`,
    `${stats.width}x${stats.height} ${(stats.frameBytes / 1024).toFixed(1)} KB`,
    `delivered ${stats.delivered}`,
    `dropped ${stats.dropped}`,
  ];
  const { algorithm } = stats;
  if (algorithm) {
    const failed = algorithm.failed > 0 ? ` failed ${algorithm.failed}` : '';
    const skipped = algorithm.skipped > 0 ? ` skipped ${algorithm.skipped}` : '';
    parts.push(
      algorithm.state === 'failed'
        ? 'algorithm failed'
        : `algorithm OK ${algorithm.ok} NG ${algorithm.ng}${failed}${skipped}`,
    );
    if (algorithm.latencyMs !== null) parts.push(`latency ${algorithm.latencyMs.toFixed(1)} ms`);
  }
  return parts.join(' | ');
}

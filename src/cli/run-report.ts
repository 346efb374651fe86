/** Tells what a running bridge does: JSON lines for programs, a live line a second for people. */
import type { Bridge } from '../bridge/bridge.js';
import type { BridgeEvent, BridgeStats, FrameResult } from '../bridge/events.js';
import type { Frame } from '../frames/frame.js';
import type { Output } from './output.js';

/** Subscribes to everything; ends with the bridge. */
export function reportBridge(bridge: Bridge, output: Output, several: boolean): void {
  const name = several ? `${bridge.camera.id} ` : '';
  bridge.events$.subscribe((event) => {
    reportEvent(event, output, name);
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

function reportEvent(event: BridgeEvent, output: Output, name: string): void {
  if (event.type === 'error') {
    output.error(event.error);
    return;
  }
  if (output.json && event.type !== 'runner' && event.type !== 'log') output.line(event);
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
      output.log(event.line.level, `${name}algorithm: ${event.line.text}`);
  }
}

function frameLine(frame: Frame): object {
  const { cameraId, sequence, width, height, bytes, crc32, timestampMs, sharedMemId } = frame;
  return { type: 'frame', cameraId, sequence, width, height, bytes, crc32, timestampMs, sharedMemId };
}

function resultLine(result: FrameResult): object {
  const { cameraId, sequence, requestId, status, latencyMs } = result;
  const common = { type: 'result', cameraId, sequence, requestId, status };
  if (result.outcome === 'failed') {
    const { code, message } = result.error;
    return { ...common, resultStatus: null, latencyMs, data: result.data ?? null, error: { code, message } };
  }
  return { ...common, resultStatus: result.resultStatus, latencyMs, data: result.data };
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

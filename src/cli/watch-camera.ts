/** Follows a camera at a NATS server, over the life of any number of bridges. */
import { type SubscribedFrame, type SubscribeOptions, subscribeFrames } from '../fleet/index.js';
import { reportLine } from './lines.js';
import type { Output } from './output.js';
import { type RemoteCamera, serverReport } from './remote-camera.js';

const REPORT_MS = 1_000;
/** Without a frame for so long a camera is silent. */
const SILENT_MS = 3_000;

/** Reports what comes, once a second until `signal` says stop. Whether a frame came. */
export async function watchCamera(
  remote: RemoteCamera,
  access: Omit<SubscribeOptions, 'signal' | 'told'>,
  output: Output,
  signal: AbortSignal,
): Promise<boolean> {
  let last: { readonly frame: SubscribedFrame; readonly at: number } | undefined;
  let counts = { frames: 0, bytes: 0, missed: 0 };
  let since = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const rate = (count: number): number => (count * 1_000) / Math.max(1, now - since);
    show(remote, last?.frame, last && now - last.at < SILENT_MS ? 'live' : 'silent', counts, rate, output);
    counts = { frames: 0, bytes: 0, missed: 0 };
    since = now;
  }, REPORT_MS);
  try {
    const options = { ...access, signal, told: serverReport(output) };
    const site = remote.site === undefined ? {} : { site: remote.site };
    for await (const frame of subscribeFrames(remote.url, remote.camera, { ...options, ...site })) {
      last = { frame, at: performance.now() };
      counts.frames++;
      counts.bytes += frame.jpeg.length;
      counts.missed += frame.missed;
    }
  } finally {
    clearInterval(timer);
  }
  return last !== undefined;
}

function show(
  { url, camera }: RemoteCamera,
  frame: SubscribedFrame | undefined,
  status: 'live' | 'silent',
  counts: { readonly frames: number; readonly bytes: number; readonly missed: number },
  rate: (count: number) => number,
  output: Output,
): void {
  const report = {
    url,
    cameraId: camera,
    status,
    framesPerSecond: Math.round(rate(counts.frames) * 10) / 10,
    bytesPerSecond: Math.round(rate(counts.bytes)),
    missed: counts.missed,
    sequence: frame?.sequence ?? null,
    ageMs: frame ? Math.round(Date.now() - frame.timestampMs) : null,
    width: frame?.width ?? 0,
    height: frame?.height ?? 0,
    bytes: frame?.jpeg.length ?? 0,
  };
  if (output.json) {
    output.line(reportLine('remote', report));
    return;
  }
  const age = report.ageMs === null ? 'no frame yet' : `age ${report.ageMs} ms`;
  output.live(
    `${camera} ${status} | ${report.framesPerSecond.toFixed(1)} frames/s | ${(report.bytesPerSecond / 1e6).toFixed(2)} MB/s | ${report.width}x${report.height} ${(report.bytes / 1024).toFixed(1)} KB | #${report.sequence ?? '-'} ${age} | missed ${report.missed}`,
  );
}

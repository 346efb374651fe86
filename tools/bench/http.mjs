/**
 * What the HTTP server costs: the processor time of a bridge with one camera of 30 frames a second, without the server, with it
 * without a viewer, and with three viewers of each kind. Viewers and camera are in other processes.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as after } from 'node:timers/promises';
import WebSocket from 'ws';
import { again, here, noCompiler, workshop } from './native.mjs';
import { either, row, skipped } from './report.mjs';

const FPS = 30;
const VIEWERS = 3;

/** Bytes that the viewers have. */
let seen = 0;

/** Each begins to watch, and returns how to stop. */
const WATCH = {
  'of /stream.mjpg': (url) => {
    const request = get(new URL('stream.mjpg', url), (response) =>
      response.on('data', (bytes) => {
        seen += bytes.length;
      }),
    );
    request.on('error', () => undefined);
    return () => request.destroy();
  },
  'of /ws, as the page has': (url) => {
    const socket = new WebSocket(new URL('ws', url).href.replace(/^http/, 'ws'));
    const ready = () => socket.send('ready');
    socket.on('open', ready);
    socket.on('message', (bytes) => {
      seen += bytes.length;
      ready();
    });
    socket.on('error', () => undefined);
    return () => socket.terminate();
  },
};

/** What a child says next. */
const said = (child) =>
  new Promise((resolve, reject) => {
    const ended = (status) => reject(new Error(`http-host.mjs ended with ${status}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });

async function start(port, http) {
  const child = fork(here('http-host.mjs'), [JSON.stringify({ port, http })]);
  const { url } = await said(child);
  return { child, url };
}

async function measure(port, http, act) {
  const { child, url } = await again(() => start(port, http));
  try {
    await act(url, async (what) => {
      await after(either(1_500, 300));
      seen = 0;
      child.send(either(5_000, 500));
      const { cpuShare, framesPerSecond, elapsedMs } = await said(child);
      // Of the full rate, which a busy machine may not give.
      const share = (cpuShare * FPS) / framesPerSecond;
      const watched = `${(seen / elapsedMs / 1_000).toFixed(2)} MB/s to viewers`;
      row(what, 100 * share, '% of a core', `at ${framesPerSecond.toFixed(1)} frames/s, ${watched}`);
    });
  } finally {
    const exit = once(child, 'exit');
    child.disconnect();
    await exit;
  }
}

export default async function http() {
  if (noCompiler) return skipped('the HTTP server', noCompiler);
  const shop = workshop();
  try {
    const { port, stop } = await shop.cameraInC({ fps: FPS });
    await measure(port, false, (_url, figure) => figure('without the server'));
    await measure(port, true, async (url, figure) => {
      await figure('with it, and no viewer');
      for (const [kind, watch] of Object.entries(WATCH)) {
        const stops = Array.from({ length: VIEWERS }, () => watch(url));
        await figure(`${VIEWERS} viewers ${kind}`);
        for (const end of stops) end();
      }
    });
    await stop();
  } finally {
    shop.close();
  }
}

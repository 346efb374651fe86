/** Opens all that a bridge needs, in order, or nothing. */
import { CameraKeeper } from '../camera/keeper.js';
import { type CameraInput, cameraOptionsSchema, parseOptions } from '../camera/options.js';
import { endLeftoverAdapters } from '../runner/index.js';
import { Algorithm } from './algorithm.js';
import { Bridge, MAX_BACKLOG } from './bridge.js';
import type { BridgeEvent } from './events.js';
import { FrameFiles } from './frame-files.js';
import { prepareChannel } from './frame-script.js';
import { type BridgeInput, type BridgeOptions, bridgeOptionsSchema } from './options.js';
import { Stores } from './stores.js';
import { Streaming } from './streaming.js';

/**
 * Connects to a camera, makes sure that its frame channel is there, ends algorithms that a killed bridge left hanging,
 * opens shared memory, starts the algorithm.
 * Frames flow from the next turn of the event loop on. Ends in the errors of `connectCamera`, in CHANNEL_MISSING,
 * SCRIPT_FAILED, SHM_IN_USE, RUNNER_NOT_FOUND, RUNNER_EXITED, RUNNER_TIMEOUT, FILE_FAILED or OPTION_INVALID; then
 * nothing stays open. A full shared memory is no reason to stop: it is reported as an `error` event.
 */
export async function openBridge(input: BridgeInput = {}): Promise<Bridge> {
  const options = parseOptions(bridgeOptionsSchema, input);
  let bridge: Bridge | undefined;
  /** What happens before the bridge exists. */
  const early: BridgeEvent[] = [];
  const cleanUps: (() => unknown)[] = [];
  try {
    const files = options.save === undefined ? undefined : await FrameFiles.open(options.save);
    const keeper = await CameraKeeper.connect(parseOptions(cameraOptionsSchema, cameraPart(options)));
    const { camera } = keeper;
    cleanUps.push(() => camera.close());
    const report = (make: (cameraId: string) => BridgeEvent): void => {
      const event = make(camera.id);
      if (bridge) bridge.emit(event);
      else if (early.length < MAX_BACKLOG) early.push(event);
    };
    await endLeftoverAdapters(options.supervision.killMs, (line) =>
      report((cameraId) => ({ type: 'log', cameraId, line, worker: 1 })),
    );
    const stores = new Stores((error) => report((cameraId) => ({ type: 'error', cameraId, error })));
    stores.open(options);
    cleanUps.push(() => stores.close());
    const algorithm =
      options.runner === undefined
        ? undefined
        : await Algorithm.open(options.runner, options, {
            result: (result) => bridge?.result(result),
            state: (state) => report((cameraId) => ({ type: 'runner', cameraId, state })),
            log: (line, worker) => report((cameraId) => ({ type: 'log', cameraId, line, worker })),
            error: (error) => report((cameraId) => ({ type: 'error', cameraId, error })),
          });
    if (algorithm) cleanUps.push(() => algorithm.close());
    const streaming = new Streaming(options.pipeline, camera.id, {
      failed: (error) => report((cameraId) => ({ type: 'error', cameraId, error })),
      warned: (text) => report((cameraId) => ({ type: 'pipeline', cameraId, text })),
    });
    cleanUps.push(() => streaming.close());
    await Promise.all([prepareChannel(camera, options), algorithm?.start()]);
    await files?.begin(camera.id);
    if (options.streaming) await streaming.start();
    bridge = new Bridge(options, { keeper, stores, algorithm, files, streaming }, early);
    return bridge;
  } catch (error) {
    await Promise.allSettled(cleanUps.map((cleanUp) => cleanUp()));
    throw error;
  }
}

function cameraPart(options: BridgeOptions): CameraInput {
  const { port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, virtual } = options;
  return { port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, virtual };
}

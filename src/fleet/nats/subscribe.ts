/** Frames of a camera elsewhere, as they are published. */
import { Signal } from '../../async.js';
import { type NatsClientOptions, natsClientSchema, parseOptions } from '../../options/index.js';
import { subjectOf } from '../names.js';
import { type BrokerFollower, NatsBroker } from './broker.js';
import { frameOf, type RemoteFrame } from './frame-message.js';

export interface SubscribeOptions extends Partial<Omit<NatsClientOptions, 'nats'>> {
  /** Ends the loop. */
  readonly signal?: AbortSignal | undefined;
  /** Frames that wait while the loop is busy with one; the oldest give way. Default 8. */
  readonly keep?: number;
  /** Told when the server is away, and when it is there. */
  readonly told?: Omit<BrokerFollower, 'connected'> & { connected?(): void };
}

/** A frame, and how many of its run did not come between the one before and it. */
export type SubscribedFrame = RemoteFrame & { readonly missed: number };

/**
 * Frames of `camera` at the NATS server `url`, whole and in order, none twice, over any number of connections and runs. Ends
 * with `signal`. OPTION_INVALID: a wrong URL, camera, site or file.
 */
export async function* subscribeFrames(
  url: string,
  camera: string,
  { signal, keep = 8, told, ...access }: SubscribeOptions = {},
): AsyncGenerator<SubscribedFrame, void, undefined> {
  const options = parseOptions(natsClientSchema, { ...access, nats: url });
  const subject = subjectOf({ site: options.site, camera }, 'frame');
  const queue: RemoteFrame[] = [];
  const come = new Signal();
  let broker: NatsBroker | undefined;
  try {
    broker = await NatsBroker.open(options, `openmv-bridge ${camera}`, signal);
    broker.follow({
      away: (error) => told?.away?.(error),
      connected: (connection) => {
        connection.subscribe(subject, {
          callback: (error, message) => {
            const frame = error ? undefined : wholeFrame(message);
            if (!frame) return;
            queue.push(frame);
            if (queue.length > keep) queue.shift();
            come.set();
          },
        });
        told?.connected?.();
      },
    });
    let last: RemoteFrame | undefined;
    for (;;) {
      const frame = queue.shift();
      if (!frame) {
        await come.wait(Number.POSITIVE_INFINITY, signal);
        continue;
      }
      const before: number = last?.runId === frame.runId ? last.sequence : 0;
      // One that was sent again is there already.
      if (frame.sequence <= before) continue;
      yield { ...frame, missed: last ? frame.sequence - before - 1 : 0 };
      last = frame;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    await broker?.close(0);
  }
}

/** undefined: it is none, or was damaged; then it counts as missed. */
function wholeFrame(message: Parameters<typeof frameOf>[0]): RemoteFrame | undefined {
  try {
    return frameOf(message);
  } catch {
    return undefined;
  }
}

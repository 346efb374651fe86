/** All cameras of a site as they tell of themselves: state, figures, and who has fallen silent. */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { z } from 'zod';
import { parseJson } from '../../json.js';
import { subjectOf } from '../names.js';
import { STATUS_MS } from '../status.js';

/** Many more than a site has. */
const MOST_CAMERAS = 10_000;
/** A status that is older than so many intervals: the bridge was killed, or its machine has gone. */
const SILENT_INTERVALS = 3;

const count = z.number().catch(0);
const statusSchema = z.object({
  status: z.enum(['online', 'offline']),
  state: z.string().catch(''),
  version: z.string().catch(''),
  intervalMs: z.number().positive().max(600_000).catch(STATUS_MS),
});
const verdictsSchema = z.object({ ok: count, ng: count, failed: count, skipped: count });
const statsSchema = z.object({
  framesPerSecond: count,
  delivered: count,
  dropped: count,
  algorithm: verdictsSchema.nullable().catch(null),
});

export interface FleetCamera {
  readonly site: string;
  readonly cameraId: string;
  /** `silent`: nothing was heard for three intervals of its status. */
  readonly status: 'online' | 'offline' | 'silent';
  /** Where its connection to the camera is in its life: streaming, paused, reconnecting ... */
  readonly state: string;
  /** Of the program. */
  readonly version: string;
  readonly framesPerSecond: number;
  readonly delivered: number;
  readonly dropped: number;
  /** null: no algorithm. */
  readonly algorithm: z.infer<typeof verdictsSchema> | null;
}

interface Known {
  status: z.infer<typeof statusSchema> | undefined;
  stats: z.infer<typeof statsSchema> | undefined;
  heardAt: number;
}

export class FleetView {
  readonly #site: string;
  readonly #cameras = new Map<string, Known>();

  constructor(site: string) {
    this.#site = site;
  }

  /** Hears on a connection, for as long as that lasts. */
  listen(connection: NatsConnection): Subscription[] {
    return (['status', 'stats'] as const).map((kind) =>
      // A name stands for any here, and is checked as one.
      connection.subscribe(subjectOf({ site: this.#site, camera: 'X' }, kind).replace('.X.', '.*.'), {
        callback: (_error, message) => {
          if (message) this.#hear(kind, message);
        },
      }),
    );
  }

  /** All that were heard, in the order of their names. */
  get cameras(): FleetCamera[] {
    const now = performance.now();
    const all = [...this.#cameras].map(([cameraId, { status, stats, heardAt }]): FleetCamera => {
      const { status: said = 'online', state = '', version = '', intervalMs = STATUS_MS } = status ?? {};
      const silent = said === 'online' && now - heardAt > SILENT_INTERVALS * intervalMs;
      const none = { framesPerSecond: 0, delivered: 0, dropped: 0, algorithm: null };
      const here = said === 'online' && !silent;
      return {
        ...{ site: this.#site, cameraId, status: silent ? 'silent' : said, state, version },
        ...(stats ?? none),
        ...(here ? {} : { framesPerSecond: 0 }),
      };
    });
    return all.sort((a, b) => a.cameraId.localeCompare(b.cameraId));
  }

  #hear(kind: 'status' | 'stats', message: Msg): void {
    const cameraId = message.subject.split('.')[2]!;
    let value: unknown;
    try {
      value = parseJson(message.string(), { maxValues: 10_000 });
    } catch {
      // Not of this program.
      return;
    }
    const known = this.#cameras.get(cameraId) ?? { status: undefined, stats: undefined, heardAt: 0 };
    if (kind === 'status') known.status = statusSchema.safeParse(value).data ?? known.status;
    else known.stats = statsSchema.safeParse(value).data ?? known.stats;
    known.heardAt = performance.now();
    if (this.#cameras.size < MOST_CAMERAS || this.#cameras.has(cameraId)) this.#cameras.set(cameraId, known);
  }
}

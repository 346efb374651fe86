/** What the routes share. */
import type { FastifyInstance } from 'fastify';
import type { ControlService } from '../control/index.js';
import type { CameraList } from './cameras.js';
import type { RouteDescription } from './route.js';
import type { Viewers } from './viewers.js';

export interface WebContext {
  readonly runId: string;
  readonly cameras: CameraList;
  /** Carries control commands out. */
  readonly commands: ControlService;
  readonly viewers: Viewers;
  /** Descriptions of all routes, for OpenAPI; `route` adds to them. */
  readonly routes: RouteDescription[];
}

/** A group of routes. It is in the list of `routes/index.ts`, and its checks are made by the server. */
export type RouteGroup = (app: FastifyInstance, context: WebContext) => void | Promise<void>;

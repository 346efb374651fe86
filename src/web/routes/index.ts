/** All groups of routes. A new one is added here. */
import type { RouteGroup } from '../context.js';
import { cameraRoutes } from './cameras.js';
import { commandRoutes } from './commands.js';
import { controlRoutes } from './controls.js';
import { eventRoutes } from './events.js';
import { frameRoutes } from './frames.js';
import { healthRoutes } from './health.js';
import { historyRoutes } from './history.js';
import { mcpRoutes } from './mcp.js';
import { metricRoutes } from './metrics.js';
import { mjpegRoutes } from './mjpeg.js';
import { openApiRoutes } from './openapi.js';
import { pageRoutes } from './page.js';
import { resultRoutes } from './results.js';
import { socketRoutes } from './socket.js';

export const ROUTES: readonly RouteGroup[] = [
  pageRoutes,
  cameraRoutes,
  controlRoutes,
  frameRoutes,
  historyRoutes,
  resultRoutes,
  commandRoutes,
  mcpRoutes,
  mjpegRoutes,
  eventRoutes,
  socketRoutes,
  healthRoutes,
  metricRoutes,
  openApiRoutes,
];

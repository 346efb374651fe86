/** The page and the HTTP interface. Loaded when it is used: it needs a web server's packages. */
export type { RouteGroup, WebContext } from './context.js';
export { type McpHost, mcpServer, schemaOf } from './mcp.js';
export { type Answer, type Call, type RouteDescription, route, socketRoute } from './route.js';
export { type WebOptions, WebServer, type WebSettings } from './server.js';

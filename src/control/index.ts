export { sendCommand } from './client.js';
export { CONTROL_PATH, ControlServer, VIZION_CONTROL_PATH } from './server.js';
export { COMMANDS } from './service.js';

export { type SendOptions, sendCommand } from './client.js';
export { type Command, type CommandContext, type Reply, SLOW_COMMANDS, type Target } from './command.js';
export { FILE_PARAMS, fileRefusal, LOCAL_COMMANDS } from './remote.js';
export { ControlServer } from './server.js';
export { COMMANDS, ControlService, type Forward, similarNames } from './service.js';
export { controlPath, findLeftoverSockets, VIZION_CONTROL_PATH } from './socket-path.js';

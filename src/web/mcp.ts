/** The commands as tools of the Model Context Protocol, for `/mcp` and for a program on stdin and stdout. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { Command, Reply } from '../control/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { packageVersion } from '../package.js';

/** What the tools work on. */
export interface McpHost {
  /** A tool for each of them. */
  readonly commands: readonly Command[];
  /** The parameters of a command as a JSON schema of an object. */
  form(command: Command): Readonly<Record<string, unknown>>;
  /** Carries a command out; `params` may have `camera`. What it rejects with is told to the client. */
  perform(command: Command, params: Readonly<Record<string, unknown>>): Promise<Reply>;
  /** Opens the camera on a port, or says that it is open. */
  connect(port: string | undefined): Promise<Reply>;
}

const CONNECT = 'connect';
const connectParams = z.strictObject({
  port: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .meta({ description: 'as list_ports has it under `path`, `auto` for the only one, or `virtual`' }),
});
const CAMERA = { type: 'string', description: 'id of the camera; may be left out where there is one' };
const INSTRUCTIONS = `Cameras of openmv-bridge. list_cameras says which are connected, ${CONNECT} opens one. snapshot gives a picture.
exec_script, stop_script, set_format, reset and install need stop_stream first; start_stream goes on with the bridge's own script.`;

/** What changes nothing; clients may do it without asking a person. */
const readsOnly = (name: string): boolean =>
  /^(get|list)_/.test(name) || ['snapshot', 'script_running'].includes(name);

/** A server for one client; it is to be connected to a transport. */
export function mcpServer(host: McpHost): Server {
  const info = { name: 'openmv-bridge', version: packageVersion() };
  const server = new Server(info, { capabilities: { tools: {} }, instructions: INSTRUCTIONS });
  const byName = new Map(host.commands.map((command) => [command.name, command]));
  const tools = [
    {
      name: CONNECT,
      description: 'open a camera, or say that it is open',
      inputSchema: { ...schemaOf(connectParams), type: 'object' as const },
    },
    ...host.commands.map((command) => toolOf(command, host.form(command))),
  ];
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params: { name, arguments: given = {} } }) => {
    try {
      if (name === CONNECT) return answer(await host.connect(connectParams.parse(given).port));
      const command = byName.get(name);
      if (command) return answer(await host.perform(command, given));
      throw new BridgeError('OPTION_INVALID', `There is no tool ${name.slice(0, 64)}.`);
    } catch (cause) {
      return refusal(cause);
    }
  });
  return server;
}

/** The JSON schema of parameters as a client gives them. */
export function schemaOf(params: z.ZodType): Record<string, unknown> {
  const { $schema: _version, ...form } = z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' });
  return form;
}

function toolOf({ name, help, needsCamera }: Command, form: Readonly<Record<string, unknown>>) {
  const properties = { ...(form['properties'] as object), ...(needsCamera ? { camera: CAMERA } : {}) };
  return {
    ...{ name, description: help },
    inputSchema: { ...form, type: 'object' as const, properties },
    annotations: { readOnlyHint: readsOnly(name) },
  };
}

/** A reply as text; a JPEG in it as an image. */
function answer({ status: _status, jpeg, ...reply }: Reply): CallToolResult {
  const text = { type: 'text' as const, text: JSON.stringify(reply) };
  if (typeof jpeg !== 'string') return { content: [text] };
  return { content: [{ type: 'image', data: jpeg, mimeType: 'image/jpeg' }, text] };
}

function refusal(cause: unknown): CallToolResult {
  const wrong = cause instanceof z.ZodError ? new BridgeError('OPTION_INVALID', cause.message) : cause;
  const { code, message } = asBridgeError(wrong);
  return { content: [{ type: 'text', text: JSON.stringify({ code, message }) }], isError: true };
}

/** `openmv-bridge mcp`: cameras as tools of the Model Context Protocol, on stdin and stdout. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Command } from 'commander';
import { type Bridge, openBridge } from '../../bridge/index.js';
import { COMMANDS, ControlService, type Reply } from '../../control/index.js';
import { configSchema, optionSpecs } from '../../options/index.js';
import { withOutput } from '../command.js';
import { runInputs } from '../config.js';
import { addFlags } from '../flags.js';
import { onStop } from '../stop-signals.js';

/** Options of `run` that each camera is opened with. Shared memory is for other programs: a command opens it. */
const GROUPS = [
  'Camera',
  'Camera link',
  'Algorithm',
  'Algorithm calls',
  'Algorithm supervision',
  'Virtual camera',
];
/** `connect` tells the client at once that a camera is not there. */
const LEFT_OUT = ['wait'];
/** Events go to subscribers of the control socket. */
const TOOLS = COMMANDS.filter(({ name }) => name !== 'subscribe');

/** `algorithm`: the words behind `--`. */
export function configure(command: Command, algorithm: readonly string[]): void {
  command.usage('[--port PATH] [options] [-- ALGORITHM...]');
  const specs = optionSpecs(configSchema).filter(
    ({ group, path }) => GROUPS.includes(group) && !LEFT_OUT.includes(path[0]!),
  );
  const given = addFlags(command, specs);
  command.action(() =>
    withOutput(false, async (output) => {
      const { mcpServer, schemaOf } = await import('../../web/index.js');
      const flags = given();
      const service = new ControlService();
      const bridges = new Map<string, Bridge>();
      const opening = new Map<string, Promise<Reply>>();
      const stop = new AbortController();

      const open = async (port: string): Promise<Reply> => {
        // Its tools are the commands that options such as --no-stream leave things to.
        const all = { ...flags, port, control: true };
        const { bridges: inputs } = await runInputs(specs, all, algorithm, undefined);
        const bridge = await openBridge({ ...inputs[0], shm: false, signal: stop.signal });
        bridges.set(port, bridge);
        const forget = (): unknown => bridges.delete(port);
        bridge.done.then(forget, forget);
        service.add(bridge);
        return { message: 'The camera is open.', camera: bridge.cameraId, port };
      };
      const connect = async (wanted: string | undefined): Promise<Reply> => {
        const port = wanted ?? 'auto';
        const found = [...bridges.entries()].find(
          ([name, { camera }]) => wanted === undefined || name === port || camera.info().port === port,
        );
        if (found)
          return { message: 'The camera is open already.', camera: found[1].cameraId, port: found[0] };
        const under = opening.get(port) ?? open(port).finally(() => opening.delete(port));
        opening.set(port, under);
        return await under;
      };

      const server = mcpServer({
        commands: TOOLS,
        form: ({ params }) => schemaOf(params),
        perform: (one, { camera, ...params }) =>
          service.perform(one.name, params, camera === undefined ? undefined : String(camera)),
        connect,
      });
      const ended = new Promise<void>((resolve) => {
        process.stdin.once('end', resolve).once('close', resolve);
        stop.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      const stopListening = onStop(() => stop.abort());
      try {
        // Clients wait for the first answer: a camera that takes its time is no reason to be late with it.
        await server.connect(new StdioServerTransport());
        const ports = [flags['port'] ?? []].flat() as string[];
        for (const port of ports) {
          connect(port).catch((cause: Error) => {
            // A client that has gone is no failure.
            if (!stop.signal.aborted) output.log('error', cause.message);
          });
        }
        await ended;
      } finally {
        stop.abort();
        stopListening();
        await server.close();
        await Promise.allSettled(opening.values());
        await Promise.all([...bridges.values()].map((bridge) => bridge.close()));
      }
      return undefined;
    }),
  );
}

/** Options of `run` for what changes while it runs: the control socket, the pipeline, whether frames flow at once. */
import { type Command, Option } from 'commander';
import { CONTROL_PATH, ControlServer, VIZION_CONTROL_PATH } from '../control/index.js';

export interface ControlFlags {
  control?: string | true;
  controlName?: 'openmv' | 'vizion';
  pipeline?: string;
  stream: boolean;
}

export function addControlOptions(command: Command): Command {
  return addSocketName(
    command.option('--control [path]', `control socket (default when given without a path: ${CONTROL_PATH})`),
  )
    .option(
      '--pipeline <text>',
      'give every frame to this GStreamer pipeline, such as "videoconvert ! autovideosink"; {camera} in it stands for the camera\'s id',
    )
    .option('--no-stream', 'pull no frames until the control socket is told start_stream');
}

export function addSocketName(command: Command): Command {
  return command.addOption(
    new Option(
      '--control-name <name>',
      `control socket where the clients of that program look: vizion is ${VIZION_CONTROL_PATH}`,
    ).choices(['openmv', 'vizion']),
  );
}

/** Where the control socket is; undefined: there is none. */
export function controlPath({
  control,
  controlName,
}: Pick<ControlFlags, 'control' | 'controlName'>): string | undefined {
  if (typeof control === 'string') return control;
  if (controlName === 'vizion') return VIZION_CONTROL_PATH;
  return control === true || controlName !== undefined ? CONTROL_PATH : undefined;
}

/** Opens the control socket if one is wanted. FILE_FAILED, OPTION_INVALID. */
export async function openControl(flags: ControlFlags): Promise<ControlServer | undefined> {
  const path = controlPath(flags);
  return path === undefined ? undefined : ControlServer.open(path);
}

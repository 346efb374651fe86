/** `openmv-bridge doctor`: what would keep a run from its work, and the command that puts each right. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { type Check, installUdevRule, runChecks, udevRulePath } from '../../doctor/index.js';
import { BridgeError } from '../../errors.js';
import { runOptionsSchema } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { reportLine } from '../lines.js';
import type { Output } from '../output.js';

const text = z.string().min(1);
const MARKS = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' } as const;

export function configure(command: Command): void {
  const given = ownFlags(command, {
    port: z
      .union([text, z.array(text)])
      .optional()
      .meta({
        flag: '--port PATH',
        group: 'Options',
        repeatable: true,
        description: 'a camera to check, as in run; default: every port that there is; repeatable',
      }),
    installUdev: z.boolean().default(false).meta({
      flag: '--install-udev',
      group: 'Options',
      description: 'write the udev rule for cameras, after asking',
    }),
    yes: z.boolean().default(false).meta({
      flag: '--yes',
      group: 'Options',
      description: 'do not ask',
      needs: 'installUdev',
    }),
    json: runOptionsSchema.shape.json,
  });
  command.action(() => {
    const { port = [], installUdev, yes, json } = given();
    return withOutput(json, (output) => (installUdev ? install(output, yes) : report(output, [port].flat())));
  });
}

async function report(output: Output, ports: readonly string[]): Promise<number> {
  const checks = await runChecks(ports);
  if (output.json) output.line(reportLine('doctor', { checks }));
  else output.text(checks.map(textOf).join(''));
  return checks.some(({ status }) => status === 'failed') ? EXIT.no : EXIT.done;
}

function textOf({ name, status, text, fix }: Check): string {
  const lines = [`${MARKS[status]} ${name}: ${text}`, ...(fix === null ? [] : [`        fix: ${fix}`])];
  return `${lines.join('\n')}\n`;
}

async function install(output: Output, yes: boolean): Promise<number> {
  const path = udevRulePath();
  if (!yes && !(await agreed(path))) {
    output.log('info', 'nothing was written');
    return EXIT.no;
  }
  const problem = await installUdevRule();
  output.log('info', `wrote ${path}`);
  if (problem === undefined) output.log('info', 'cameras that are plugged in follow it from now on');
  else output.log('warn', `plug cameras in again, or restart: udev did not read it at once (${problem})`);
  return EXIT.done;
}

/** OPTION_INVALID: there is no terminal to ask on. */
async function agreed(path: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new BridgeError(
      'OPTION_INVALID',
      `There is no terminal to ask on whether to write ${path}: give --yes as well.`,
    );
  }
  const question = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await question.question(
      `Write ${path}, which gives cameras to the group of serial ports? [y/N] `,
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    question.close();
  }
}

/** `openmv-bridge run`, which is also what it does without a subcommand. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { deferred } from '../../async.js';
import { startLine } from '../../bridge/index.js';
import { ControlServer, VIZION_CONTROL_PATH } from '../../control/index.js';
import { asBridgeError, type BridgeError } from '../../errors.js';
import { type MqttPublisher, type NatsPublishing, openMqtt, openNats } from '../../fleet/index.js';
import { configSchema, optionSpecs, type RunOptions } from '../../options/index.js';
import type { LiveServer, Recorder, WireTap } from '../../recording/index.js';
import type { WebServer } from '../../web/index.js';
import { Cameras } from '../cameras.js';
import { withOutput } from '../command.js';
import { completeConfig, type RunInputs, refuseMasked, runInputs } from '../config.js';
import { EXIT, exitStatus } from '../exit-status.js';
import { addFlags, type Given } from '../flags.js';
import { Output } from '../output.js';
import { endRecorder, openLive, openRecorder } from '../recorder.js';
import { reload } from '../reload.js';
import { attachControl, brokerReport, reportBridge, reportEarly } from '../run-report.js';
import { ServiceManager } from '../sd-notify.js';
import { showSite } from '../show-site.js';
import { onReload, onStop, stopAsked, untilStopped } from '../stop-signals.js';
import type { VerdictReport } from '../verdict-report.js';

/** Permission to write for everybody. */
const WRITABLE_BY_ALL = 0o002;

/** `algorithm`: the words behind `--`. */
export function configure(command: Command, algorithm: readonly string[]): void {
  command.usage('[--port PATH|auto|virtual] [options] [-- ALGORITHM...]');
  configureRun(command, algorithm);
}

/** A run whose job is to record: the options but `record`, which `complete` adds from the flags and the command's argument. */
export function configureRun(
  command: Command,
  algorithm: readonly string[],
  complete?: (flags: Given, file: string) => Given,
): void {
  const specs = optionSpecs(configSchema);
  const flags = addFlags(
    command,
    specs.filter(({ path }) => !complete || path[0] !== 'record'),
  );
  const given = (): Given => complete?.(flags(), command.args[0]!) ?? flags();
  command
    .optionsGroup('Options:')
    .option('--config <FILE>', 'JSON file with any of these options; flags win over it')
    .option('--print-config', 'print a configuration file that says the same with every default, and end')
    .action(async () => {
      const { config, printConfig } = command.opts<{ config?: string; printConfig?: boolean }>();
      const inputs = (before?: RunInputs) => runInputs(specs, given(), algorithm, config, before?.cameras);
      if (printConfig) {
        await withOutput(false, async (output) => {
          output.text(`${JSON.stringify(completeConfig(await inputs()), null, 2)}\n`);
          return EXIT.done;
        });
      } else {
        let loop = false;
        const checked = async (before?: RunInputs): Promise<RunInputs> => {
          const read = refuseMasked(await inputs(before));
          loop = read.options.loop;
          return read;
        };
        // A recording that begins again is another run: of the one before nothing is left.
        do process.exitCode = await run(checked, given(), complete !== undefined);
        while (loop && process.exitCode === EXIT.done && !stopAsked());
      }
    });
}

/** `records`: that is its job. Else a recording that ends before its time is no reason to fail. */
async function run(
  inputs: (before?: RunInputs) => Promise<RunInputs>,
  flags: Given,
  records: boolean,
): Promise<number> {
  const manager = new ServiceManager();
  const runId = randomUUID();
  // What is wrong with the configuration is said as the flags want it.
  let output = openOutput(flags, runId);
  let cameras: Cameras | undefined;
  let control: ControlServer | undefined;
  let web: WebServer | undefined;
  /** While the page shows cameras of other machines. */
  let viewing: AbortController | undefined;
  let nats: NatsPublishing | undefined;
  let recorder: Recorder | undefined;
  let live: LiveServer | undefined;
  let mqtt: MqttPublisher | undefined;
  const stopListening = onStop(
    () => {
      // Before anything is open there is nothing to close; the exit hooks see to the rest.
      if (viewing) return viewing.abort();
      if (!cameras) process.exit(EXIT.done);
      manager.stopping();
      void untilStopped(cameras.stop(), output);
    },
    () => void cameras?.close(AbortSignal.abort()),
  );
  /** What people have read as the reason of a disconnection. */
  const told = new Set<string>();
  const reports: VerdictReport[] = [];
  const begun = deferred();
  try {
    let configuration = await inputs();
    const { options, bridges } = configuration;
    if (output.json) output = outputOf(options);
    else output = openOutput(options, runId);
    const several = (): boolean => configuration.bridges.length > 1;
    control = await openControl(options);
    web = await openWeb(options, runId);
    live = await openLive(options, output);
    recorder = await openRecorder(options, bridges, runId, output);
    if (web) output.log('info', `page: ${web.url}${web.needsToken ? '?token=TOKEN' : ''}`);
    if (web?.reachable) {
      output.log(
        'warn',
        'other machines reach the page with its token, which the connection does not encrypt',
      );
    }
    if (web && bridges.length === 0 && options.nats !== undefined) {
      viewing = new AbortController();
      onReload(() => output.log('warn', 'the page of a site takes its configuration at the start only'));
      manager.ready(`the page shows the site ${options.site}`);
      return await showSite(web, { ...options, nats: options.nats }, output, viewing.signal);
    }
    if (options.nats !== undefined) nats = await openNats({ ...options, nats: options.nats });
    if (options.mqtt !== undefined) {
      mqtt = await openMqtt({ ...options, mqtt: options.mqtt }, brokerReport(output, 'mqtt'));
    }
    const running: Cameras = new Cameras(
      bridges,
      { runId, wait: bridges.some((bridge) => bridge.wait), remote: nats?.remote },
      {
        tap: () => recorder?.tap(),
        early: (event, { workers = 1 }) => reportEarly(event, output, several(), workers > 1),
        opened: async (bridge, tap) => {
          bridge.events$.subscribe((event) => {
            if (event.type === 'connected') manager.status(running.summary);
            if (event.type !== 'disconnected') return;
            told.add(event.message);
            manager.status(`disconnected: ${event.message}`);
          });
          reports.push(
            reportBridge(bridge, output, { several: several(), stats: () => configuration.options.stats }),
          );
          if (control) attachControl(control, bridge, output, several());
          web?.add(bridge);
          live?.add(bridge);
          recorder?.add(bridge, tap as WireTap | undefined);
          mqtt?.add(bridge);
          const { earlierFrames } = bridge;
          if ((bridge.options.shmMode & WRITABLE_BY_ALL) !== 0) {
            output.log(
              'warn',
              'every user may write to the shared memory (--shm-mode): who can write can forge frames and end its readers',
            );
          }
          if (earlierFrames !== undefined) {
            output.log('info', `frames of an earlier run were moved to ${earlierFrames}`);
          }
          await nats?.add(bridge);
        },
        waiting: (port, error) => {
          output.error(error);
          web?.waiting(port, error);
          const others = several() ? '; the others go on' : '';
          output.log('info', `waiting for the camera on ${port}${others}`);
        },
        gaveUp: (error) => output.error(error),
        left: (port) => web?.left(port),
        begun: () => {
          manager.ready(running.summary);
          begun.resolve();
        },
      },
    );
    cameras = running;
    // Not before the first attempts are over.
    let reloads = begun.promise;
    onReload(() => {
      reloads = reloads.then(async () => {
        configuration = await reload(configuration, { read: inputs, cameras: running, output, manager });
      });
    });
    const ends = await cameras.run();
    await endRecorder(recorder, output);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) {
      const error = asBridgeError(failed.reason);
      output.error(error, told.has(error.message));
      const status = exitStatus(error);
      // The port was usable once: it is the camera that is lost.
      return status === EXIT.port ? EXIT.camera : status;
    }
    if (cameras.bridges.some((bridge) => bridge.algorithmFailure)) return EXIT.algorithm;
    if (reports.some(({ none }) => none)) return EXIT.algorithm;
    // These have been reported when they happened.
    const unfinished = cameras.bridges.map(({ pipeline }) => pipeline.error).find((error) => error);
    if (unfinished) return exitStatus(unfinished);
    if (records && recorder?.failure) return exitStatus(recorder.failure);
    const [missing] = stopAsked() ? [] : cameras.missing;
    return missing ? exitStatus(missing) : EXIT.done;
  } catch (error) {
    const errors = error instanceof AggregateError ? error.errors.map(asEach) : [asBridgeError(error)];
    for (const one of errors) output.error(one);
    return exitStatus(errors[0]!);
  } finally {
    onReload(undefined);
    manager.stopping();
    output.endLive();
    await Promise.all([
      control?.close(),
      web?.close(),
      nats?.close(),
      mqtt?.close(),
      live?.close(),
      endRecorder(recorder, output),
    ]);
    stopListening();
    manager.close();
    output.flush();
  }
}

function outputOf({
  json = false,
  logLevel = 'info',
  logFormat = 'pretty',
  quiet = false,
}: Partial<RunOptions>): Output {
  return new Output({ json, level: logLevel, format: logFormat, quiet, times: true });
}

function openOutput(options: Partial<RunOptions>, runId: string): Output {
  const output = outputOf(options);
  if (output.json) output.line(startLine(runId));
  return output;
}

function openControl({ control, controlName }: RunOptions): Promise<ControlServer> | undefined {
  if (typeof control === 'string') return ControlServer.open(control);
  if (controlName === 'vizion') return ControlServer.open(VIZION_CONTROL_PATH);
  return control || controlName !== undefined ? ControlServer.open() : undefined;
}

/** Loaded when it is asked for: a web server is no part of what others wait for. */
async function openWeb(options: RunOptions, runId: string): Promise<WebServer | undefined> {
  const { http, httpToken, httpTokenFile, keepNg, keepNgDir } = options;
  if (http === undefined) return undefined;
  const { WebServer } = await import('../../web/index.js');
  return WebServer.open({ http, httpToken, httpTokenFile, keepNg, keepNgDir, runId });
}

const asEach = (error: unknown): BridgeError => asBridgeError(error);

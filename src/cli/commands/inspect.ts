/** `openmv-bridge inspect FILE|--port PATH`: what went, or goes, over a camera's line, packet by packet. */

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { createBridge } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { fileFailure } from '../../files.js';
import { type BridgeInput, bridgeOptionsSchema, optionSpecs, runOptionsSchema } from '../../options/index.js';
import { Opcode, opcodeName } from '../../protocol/index.js';
import {
  entriesOf,
  figuresText,
  flagsText,
  itemText,
  PacketStats,
  PacketWords,
  pcapngBlock,
  pcapngHead,
  readWire,
  troubleOf,
  type WireItem,
  WirePackets,
  wireItems,
} from '../../replay/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { addFlags } from '../flags.js';
import { reportLine } from '../lines.js';
import type { Output } from '../output.js';
import { onStop } from '../stop-signals.js';

/** Options of `run` that say which camera, and for how long. */
const LIVE = ['Camera', 'Camera link', 'Virtual camera'];
const LIVE_ALSO = ['frames', 'durationMs'];
const LEFT_OUT = ['wait', 'reconnect', 'streaming'];

const group = 'Options';
const text = z.string().min(1);
/** One, or several when the flag is repeated. */
const list = z.union([text, z.array(text).min(1)]).optional();
const shape = {
  opcode: list.meta({
    flag: '--opcode NAME',
    group,
    repeatable: true,
    description: 'only packets with this opcode, such as CHANNEL_READ, READ or 0x26; repeatable',
  }),
  channelIs: list.meta({
    flag: '--only-channel ID',
    group,
    repeatable: true,
    description:
      'only packets of this channel: its number, or the name that the camera lists it by; repeatable',
  }),
  from: z.enum(['host', 'camera']).optional().meta({
    flag: '--from SIDE',
    group,
    description: 'only what the host, or the camera, sent',
  }),
  errors: z.boolean().default(false).meta({
    flag: '--errors',
    group,
    description: 'only damage, refusals, repetitions, and lines that broke',
  }),
  stats: z.boolean().default(false).meta({
    flag: '--stats',
    group,
    description: 'no packets but figures: by opcode, damage, times to answer',
  }),
  pcapng: text.optional().meta({
    flag: '--pcapng FILE',
    group,
    description:
      'write the packets to this file for Wireshark (tools/wireshark/openmv.lua) instead of showing them',
  }),
  json: runOptionsSchema.shape.json,
};
type Wanted = z.infer<z.ZodObject<typeof shape>>;

export function configure(command: Command): void {
  command
    .usage('FILE|--port PATH [options]')
    .argument('[file]', 'a recording with the bytes of the line')
    .description(
      'show what went over a line, packet by packet; with --port, what goes over it while frames are pulled',
    );
  const own = ownFlags(command, shape);
  const live = addFlags(
    command,
    optionSpecs(bridgeOptionsSchema).filter(
      ({ group: heading, path }) =>
        (LIVE.includes(heading) || LIVE_ALSO.includes(path[0]!)) && !LEFT_OUT.includes(path[0]!),
    ),
  );
  command.action((file: string | undefined) => {
    const wanted = own();
    return withOutput(wanted.json, async (output) => {
      const camera = live();
      const inspection = new Inspection(wanted, output);
      if ((file === undefined) === (camera['port'] === undefined)) {
        throw new BridgeError('OPTION_INVALID', 'Give the file of a recording, or --port PATH for a camera.');
      }
      if (file !== undefined) await inspection.file(file);
      else await inspection.camera(camera);
      await inspection.end();
      return EXIT.done;
    });
  });
}

class Inspection {
  readonly #wanted: Wanted;
  readonly #output: Output;
  readonly #opcodes: ReadonlySet<number> | undefined;
  readonly #words = new PacketWords();
  readonly #stats = new PacketStats();
  #startMs: number | undefined;
  #pcapng: WriteStream | undefined;
  #written = 0;

  constructor(wanted: Wanted, output: Output) {
    this.#wanted = wanted;
    this.#output = output;
    this.#opcodes =
      wanted.opcode === undefined ? undefined : new Set([wanted.opcode].flat().flatMap(opcodesOf));
  }

  async file(path: string): Promise<void> {
    let stopped = false;
    const stopListening = onStop(() => (stopped = true));
    for await (const item of wireItems(readWire(path))) {
      if (stopped) break;
      await this.#take(item, path);
      if (this.#output.room) await this.#output.room;
    }
    stopListening();
  }

  /** Until the camera, the wanted number of frames, the time or the user ends it. */
  async camera(input: BridgeInput): Promise<void> {
    const port = String(input.port);
    let writing: Promise<unknown> = Promise.resolve();
    let failure: unknown;
    const packets = new WirePackets((item) => {
      writing = writing
        .then(() => this.#take(item, port))
        .catch((cause: unknown) => {
          failure ??= cause;
          void bridge.close();
        });
    });
    const tap = entriesOf((entry) => packets.take(entry));
    const bridge = createBridge({ ...input, shm: false, reconnect: false }, { tap });
    const stopListening = onStop(() => void bridge.close());
    try {
      await bridge.start();
      await bridge.done;
    } catch (error) {
      if (!(error instanceof BridgeError && error.code === 'BRIDGE_CLOSED')) throw error;
    } finally {
      stopListening();
      packets.finish();
      await writing;
    }
    if (failure !== undefined) throw failure;
  }

  async #take(item: WireItem, name: string): Promise<void> {
    this.#startMs ??= item.atMs;
    this.#words.follow(item);
    if (!this.#passes(item)) return;
    this.#stats.take(item);
    if (this.#wanted.pcapng !== undefined) await this.#write(item, this.#wanted.pcapng, name);
    else if (!this.#wanted.stats) this.#show(item, this.#startMs);
  }

  #passes(item: WireItem): boolean {
    const { from, errors, channelIs } = this.#wanted;
    if (errors && troubleOf(item) === undefined) return false;
    if (item.type === 'opened' || item.type === 'closed') return true;
    if (from !== undefined && item.from !== from) return false;
    if (item.type === 'noise') return !this.#opcodes && !channelIs;
    const { opcode, channel } = item.header;
    if (this.#opcodes && !this.#opcodes.has(opcode)) return false;
    return (
      !channelIs ||
      [channelIs].flat().some((one) => one === String(channel) || one === this.#words.channelName(channel))
    );
  }

  #show(item: WireItem, startMs: number): void {
    if (this.#output.json) this.#output.line({ ...packetLine(item, this.#words), timestampMs: item.atMs });
    else this.#output.text(`${itemText(item, this.#words, startMs)}\n`);
  }

  async #write(item: WireItem, path: string, name: string): Promise<void> {
    if (item.type === 'opened' || item.type === 'closed') return;
    try {
      if (!this.#pcapng) {
        this.#pcapng = createWriteStream(path);
        await once(this.#pcapng, 'open');
        // What comes between two packets is told by the next one, or by the end.
        this.#pcapng.on('error', () => undefined);
        this.#pcapng.write(pcapngHead(name));
      }
      if (this.#pcapng.errored) throw this.#pcapng.errored;
      this.#written++;
      if (!this.#pcapng.write(pcapngBlock(item))) await once(this.#pcapng, 'drain');
    } catch (cause) {
      throw await fileFailure('The packets cannot be written', path, cause);
    }
  }

  /** Figures, and the end of the file. FILE_FAILED. */
  async end(): Promise<void> {
    const { stats, pcapng } = this.#wanted;
    if (this.#pcapng && pcapng !== undefined) {
      this.#pcapng.end();
      await finished(this.#pcapng).catch(async (cause: unknown) => {
        throw await fileFailure('The packets cannot be written', pcapng, cause);
      });
    }
    if (pcapng !== undefined) this.#output.log('info', `${this.#written} packets in ${pcapng}`);
    if (!stats) return;
    const figures = this.#stats.result();
    if (this.#output.json) this.#output.line(reportLine('wire', figures));
    else this.#output.text(`${figuresText(figures)}\n`);
  }
}

function packetLine(item: WireItem, words: PacketWords): object {
  if (item.type === 'opened') return reportLine('packet', { event: 'opened' });
  if (item.type === 'closed') return reportLine('packet', { event: 'closed', detail: item.code ?? '' });
  const { from, bytes } = item;
  if (item.type === 'noise') return reportLine('packet', { event: 'noise', from, length: bytes.length });
  const { opcode, channel, sequence, flags, length } = item.header;
  return reportLine('packet', {
    ...{ event: 'packet', from, opcode: opcodeName(opcode), channel, number: sequence },
    channelName: words.channelName(channel),
    flags: flagsText(flags).split('|').filter(Boolean),
    length,
    crc: item.crc,
    detail: words.detail(item),
  });
}

/** Opcodes by their names, with or without what their groups' begin with, or by number. OPTION_INVALID. */
function opcodesOf(text: string): number[] {
  const name = text.toUpperCase();
  const found = Object.entries(Opcode).filter(
    ([known]) => known === name || known.replace(/^[A-Z]+_/, '') === name,
  );
  if (found.length > 0) return found.map(([, opcode]) => opcode);
  const number = /^(0x[0-9a-f]{1,2}|\d{1,3})$/i.test(text) ? Number(text) : Number.NaN;
  if (number <= 0xff) return [number];
  throw new BridgeError(
    'OPTION_INVALID',
    `There is no opcode ${text}. Give a number, or one of ${Object.keys(Opcode).join(', ')}.`,
  );
}

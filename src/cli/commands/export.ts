/** `openmv-bridge export FILE --to DIR|x.mkv|x.avi|x.mp4|x.csv`: the frames of a recording as files that other programs take. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Command } from 'commander';
import { crc32 } from 'crc';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import { fileFailure } from '../../files.js';
import { VIDEO_EXTENSIONS, VideoFile } from '../../gstreamer/index.js';
import { SavedFiles } from '../../pictures/index.js';
import { type RecordedFrame, type RecordedLine, readRecorded } from '../../replay/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { frameRangeShape, inRange } from '../frame-range.js';
import { onStop } from '../stop-signals.js';

const BAR = 20;

export function configure(command: Command): void {
  command.argument('<file>', 'an MCAP recording');
  const given = ownFlags(command, {
    to: z.string().min(1).meta({
      flag: '--to TARGET',
      group: 'Options',
      description: 'a folder for JPEGs, or a file: .mkv, .avi, .mp4, or .csv for a line a frame',
    }),
    ...frameRangeShape,
  });
  command.action((file: string) =>
    withOutput(false, async (output) => {
      const { to, ...range } = given();
      const wanted = inRange(range);
      let stopped = false;
      const stopListening = onStop(() => (stopped = true));
      const target = openTarget(to);
      let [count, part] = [0, 0];
      try {
        for await (const item of readRecorded(file, ['frame', 'result'], (read) => (part = read))) {
          if (stopped) break;
          if (item.type === 'result') target.result?.(item.result);
          else if (wanted(item.frame)) {
            await target.frame(item.frame);
            count++;
          }
          if (process.stdout.isTTY) output.live(`${bar(part)} ${count} frames`);
        }
      } finally {
        stopListening();
        output.endLive(true);
        await target.close();
      }
      if (count === 0) {
        throw new BridgeError(
          'OPTION_INVALID',
          `There are no such frames in ${file}. A recording of the line alone gives them with --port replay:${file} --speed max --save DIR.`,
        );
      }
      for (const line of target.notes ?? []) output.log('info', line);
      output.log('info', `${count} frames in ${to}`);
      return EXIT.done;
    }),
  );
}

interface Target {
  frame(frame: RecordedFrame): Promise<void>;
  result?(result: RecordedLine): void;
  close(): Promise<void>;
  readonly notes?: readonly string[];
}

function openTarget(path: string): Target {
  const extension = extname(path).toLowerCase();
  if (VIDEO_EXTENSIONS.includes(extension)) return videoTarget(path);
  if (extension === '.csv') return csvTarget(path);
  if (/^\.[a-z]\w{1,4}$/.test(extension) && !path.endsWith('/') && !existsSync(path)) {
    throw new BridgeError(
      'OPTION_INVALID',
      `Files are ${[...VIDEO_EXTENSIONS, '.csv'].join(', ')}, not ${extension}. If ${path} is to be a folder, put a / behind it.`,
    );
  }
  return folderTarget(path);
}

function folderTarget(path: string): Target {
  const cameras = new Map<string, SavedFiles>();
  const notes: string[] = [];
  return {
    notes,
    frame: async (frame) => {
      const { cameraId, sequence, capturedAtMs, jpeg } = frame;
      let files = cameras.get(cameraId);
      if (!files) {
        files = await SavedFiles.open('The frames cannot be exported', path, cameraId, { when: 'all' });
        cameras.set(cameraId, files);
        if (files.earlier !== undefined)
          notes.push(`frames of an earlier run were moved to ${files.earlier}`);
      }
      await files.save({ cameraId, sequence, takenAtMs: capturedAtMs }, jpeg);
    },
    close: async () => {
      for (const files of cameras.values()) files.close();
    },
  };
}

function videoTarget(path: string): Target {
  let video: VideoFile | undefined;
  let camera = '';
  return {
    frame: async (frame) => {
      video ??= VideoFile.open(path);
      camera ||= frame.cameraId;
      if (camera !== frame.cameraId) {
        throw new BridgeError(
          'OPTION_INVALID',
          `The recording has frames of ${camera} and ${frame.cameraId}: give the camera of the video with --camera-id.`,
        );
      }
      await video.write(frame);
    },
    close: async () => video?.close(),
  };
}

const COLUMNS = 'camera,sequence,timestampMs,capturedAtMs,width,height,bytes,crc32,result,latencyMs,message';

function csvTarget(path: string): Target {
  const rows = new Map<string, string[]>();
  return {
    frame: async ({ cameraId, sequence, timestampMs, capturedAtMs, width, height, jpeg }) => {
      const check = (crc32(Buffer.from(jpeg)) >>> 0).toString(16).padStart(8, '0');
      const values = [cameraId, sequence, timestampMs, capturedAtMs, width, height, jpeg.length, check];
      rows.set(`${cameraId} ${sequence}`, values.map(String));
    },
    result: ({ cameraId, sequence, line }) => {
      const { resultStatus, latencyMs, error, data } = line as {
        resultStatus?: string | null;
        latencyMs?: number;
        error?: { message?: string };
        data?: { ng_reason?: unknown } | null;
      };
      const message = error?.message ?? data?.ng_reason ?? '';
      rows
        .get(`${cameraId} ${sequence}`)
        ?.push(resultStatus ?? 'failed', String(latencyMs ?? ''), String(message));
    },
    close: async () => {
      const lines = [...rows.values()].map((row) => row.map(cell).join(','));
      await writeFile(path, `${[COLUMNS, ...lines].join('\n')}\n`).catch(async (cause: unknown) => {
        throw await fileFailure('The table cannot be written', path, cause);
      });
    },
  };
}

/** As RFC 4180 wants it. */
const cell = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const bar = (part: number): string => {
  const full = Math.round(part * BAR);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${Math.round(part * 100)} %`;
};

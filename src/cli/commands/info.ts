/** `openmv-bridge info`: what a camera says of itself. */
import type { Command } from 'commander';
import { runOptionsSchema } from '../../options/index.js';
import { ChannelFlag, versionText } from '../../protocol/index.js';
import { cameraFlags, withCamera, withOutput } from '../command.js';
import { reportLine } from '../lines.js';

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

function flagNames(flags: number): string[] {
  return Object.entries(ChannelFlag).flatMap(([name, bit]) =>
    (flags & bit) !== 0 ? [name.toLowerCase()] : [],
  );
}

export function configure(command: Command): void {
  const given = cameraFlags(command, { json: runOptionsSchema.shape.json });
  command.action(() => {
    const { camera: input, own } = given();
    return withOutput(own.json, async (output) => {
      const report = await withCamera(input, async (camera) => {
        const { cameraId, port, version, system, link } = camera.info();
        const channels = await camera.channels();
        return {
          cameraId,
          port,
          versions: {
            protocol: versionText(version.protocol),
            bootloader: versionText(version.bootloader),
            firmware: versionText(version.firmware),
          },
          usbId: `${hex(system.usbVendorId, 4)}:${hex(system.usbProductId, 4)}`,
          cpuId: hex(system.cpuId, 8),
          sensors: system.chipIds.filter((id) => id !== 0).map((id) => hex(id, 4)),
          framebufferKb: system.framebufferKb,
          streamBufferKb: system.streamBufferKb,
          link,
          scriptRunning: await camera.running(),
          channels: channels.map(({ id, name, flags: bits }) => ({ id, name, flags: flagNames(bits) })),
          statistics: await camera.deviceStats(),
          memory: await camera.memory(),
        };
      });
      if (output.json) {
        output.line(reportLine('info', report));
        return undefined;
      }
      const { versions, channels, statistics, memory } = report;
      const lines = [
        `camera     ${report.cameraId} on ${report.port} (USB ${report.usbId})`,
        `firmware   ${versions.firmware}, protocol ${versions.protocol}, bootloader ${versions.bootloader}`,
        `sensors    ${report.sensors.join(', ') || 'none found'}`,
        `link       ${report.link.maxPayload} bytes a packet, CRC ${report.link.crc ? 'on' : 'off'}, acks ${report.link.ack ? 'on' : 'off'}, events ${report.link.events ? 'on' : 'off'}`,
        `script     ${report.scriptRunning ? 'running' : 'not running'}`,
        'channels',
        ...channels.map(
          ({ id, name, flags: bits }) => `  ${String(id).padStart(2)}  ${name.padEnd(14)} ${bits.join(' ')}`,
        ),
        'statistics',
        ...Object.entries(statistics).map(([name, value]) => `  ${name.padEnd(18)} ${value}`),
        'memory     (bytes)',
        ...memory.map(
          (entry) => `  ${entry.type.padEnd(4)} total ${entry.total} used ${entry.used} free ${entry.free}`,
        ),
      ];
      output.text(`${lines.join('\n')}\n`);
      return undefined;
    });
  });
}

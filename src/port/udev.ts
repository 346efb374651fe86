/** The udev rule for cameras: who may open them, that ModemManager leaves them alone, and a name that stays. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BOARDS, OPENMV_VENDOR_ID } from './boards.js';

export const UDEV_RULE_FILE = '60-openmv.rules';
/** Where udev reads rules; a file of the same name in an earlier one takes the place of those in later ones. */
export const UDEV_FOLDERS = [
  '/etc/udev/rules.d',
  '/run/udev/rules.d',
  '/usr/local/lib/udev/rules.d',
  '/usr/lib/udev/rules.d',
  '/lib/udev/rules.d',
] as const;

const hex = (id: number): string => id.toString(16).padStart(4, '0');

/** How udev recognises cameras, `attribute` being ATTR for the device itself and ATTRS for what is behind it. */
function identities(attribute: 'ATTR' | 'ATTRS'): { readonly about: string; readonly match: string }[] {
  const vendor = (id: number): string => `${attribute}{idVendor}=="${hex(id)}"`;
  const others = BOARDS.filter(({ usbVendorId }) => usbVendorId !== OPENMV_VENDOR_ID).map((board) => ({
    about: board.name,
    match: `${vendor(board.usbVendorId)}, ${attribute}{idProduct}=="${hex(board.usbProductId)}"`,
  }));
  return [{ about: "OpenMV's own vendor id", match: vendor(OPENMV_VENDOR_ID) }, ...others];
}

/** The rule's text; `group` is that of serial ports on the system. */
export function udevRule(group = 'dialout'): string {
  const ignored = 'ENV{ID_MM_DEVICE_IGNORE}="1"';
  const lines = [
    `# OpenMV cameras: the group ${group} may open them, ModemManager leaves them alone, and each has the name`,
    '# /dev/openmv-SERIAL whatever port it is plugged in. Written by `openmv-bridge doctor --install-udev`.',
    'ACTION=="remove", GOTO="openmv_end"',
    'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="openmv_usb"',
    'SUBSYSTEM=="tty", GOTO="openmv_tty"',
    'GOTO="openmv_end"',
    '',
    'LABEL="openmv_usb"',
    ...identities('ATTR').flatMap(({ about, match }) => [`# ${about}`, `${match}, ${ignored}`]),
    'GOTO="openmv_end"',
    '',
    'LABEL="openmv_tty"',
    ...identities('ATTRS').flatMap(({ about, match }) => [
      `# ${about}`,
      `${match}, MODE="0660", GROUP="${group}", ${ignored}, ENV{ID_MM_PORT_IGNORE}="1"`,
      // In a line of its own: all ATTRS of a line are those of one device, and a camera may have no serial number.
      `${match}, ATTRS{serial}=="?*", SYMLINK+="openmv-$attr{serial}"`,
    ]),
    'LABEL="openmv_end"',
  ];
  return `${lines.join('\n')}\n`;
}

export interface InstalledRule {
  readonly path: string;
  readonly text: string;
}

/** The rule for cameras that udev has; undefined: none. */
export async function findUdevRule(
  folders: readonly string[] = UDEV_FOLDERS,
): Promise<InstalledRule | undefined> {
  for (const folder of folders) {
    for (const name of (await readdir(folder).catch(() => [])).filter((one) => one.endsWith('.rules'))) {
      const path = join(folder, name);
      const text = await readFile(path, 'utf8').catch(() => '');
      if (text.includes(`"${hex(OPENMV_VENDOR_ID)}"`)) return { path, text };
    }
  }
  return undefined;
}

/** Whether the rule keeps ModemManager away from cameras. */
export const keepsModemManagerAway = ({ text }: InstalledRule): boolean =>
  text.includes('ENV{ID_MM_DEVICE_IGNORE}="1"');

/** The camera's own file system: it lasts over soft reboots and resets. */
import { expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/index.js';
import { type TestHost, until } from './host.js';
import { blank, camera, host } from './setup.js';

const WRITE = `
import os
with open('kept.bin', 'wb') as file:
    file.write(bytes(range(256)))
with open('main.py', 'w') as file:
    file.write("import os\\nprint('main of', os.getcwd(), sum(open('kept.bin', 'rb').read()))\\n")
print('files:', sorted(os.listdir()))
`;

/** Runs a script to its end and the soft reboot behind it; what was printed from `mark` on. */
async function ran(guest: TestHost, script: string, mark: string): Promise<string> {
  await guest.exec(script);
  let all = '';
  const whole = new RegExp(`${mark}[^]*soft reboot[^]*>>> `);
  await until(`${mark} and a soft reboot`, async () => {
    all += await guest.stdout();
    return whole.test(all);
  });
  return all.slice(all.indexOf(mark));
}

it('keeps what a script wrote: main.py runs after the next reset, not after a soft reboot', async () => {
  const { camera: made, host: guest } = await blank();
  expect(await ran(guest, WRITE, 'files:')).toContain("files: ['kept.bin', 'main.py']");
  const read = "print('bytes:', len(open('kept.bin', 'rb').read()))\n";
  const text = await ran(guest, read, 'bytes:');
  expect(text).toContain('bytes: 256');
  expect(text).not.toContain('main of');
  void guest.request(Opcode.SYS_RESET, 0, new Uint8Array(0), { silent: true });
  await until('the line to end', () => guest.closed);
  await (await host(made)).stdoutUntil('main of /flash 32640');
});

it('keeps it when the camera is switched off and on', async () => {
  const { camera: made, host: guest } = await blank();
  await ran(guest, WRITE, 'files:');
  made.reset();
  await (await host(made)).stdoutUntil('main of /flash 32640');
});

it('has the option as main.py', async () => {
  const guest = await host(await camera());
  await guest.stop();
  await guest.exec("print('protocol:', 'import protocol' in open('main.py').read())\n");
  await guest.stdoutUntil('protocol: True');
});

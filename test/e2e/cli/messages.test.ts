/** What is said when something is wrong: the name of what was wrong, and the way out. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Program, run } from '../program/program.js';
import { segmentName, unplug } from '../program/support.js';

const dir = mkdtempSync(join(tmpdir(), 'openmv-messages-'));

afterAll(() => {
  rmSync(dir, { recursive: true });
});

describe('usage', () => {
  it.each([
    [['bogus'], /unknown command 'bogus'/],
    [['snapshto', 'a.jpg'], /unknown command 'snapshto'.*Did you mean snapshot\?/s],
    [['--port', 'virtual', '--shm-size', '100'], /--shm-size.*4096 to 2147483647/s],
    [['--port', 'virtual', '--shm-size', '3G'], /--shm-size/],
    [['--port', 'virtual', '--ring', 'r', '--ring-slot-size', '1'], /--ring-slot-size.*1024 to 67108864/s],
    [['--port', 'virtual', '--channel', 'a-name-that-is-too-long'], /--channel.*1 to 13 characters/s],
    [['--port', 'virtual', '--camera-id', 'a/b'], /--camera-id.*letters, digits/is],
  ])('%j', async (args, words) => {
    const { status, stderr } = await run(args);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/too many arguments|expected number|expected string/);
    expect(status).toBe(2);
  });
});

describe('ports', () => {
  it('a link to a terminal that is gone: the program behind it has ended', async () => {
    const link = join(dir, 'gone');
    symlinkSync('/dev/pts/999999', link);
    const { status, stderr } = await run(['info', '--port', link]);
    expect(stderr).toMatch(/gone.*\/dev\/pts\/999999.*has ended/s);
    expect(status).toBe(3);
  });

  it('a camera that is unplugged with --reconnect off is told of once', async () => {
    const link = join(dir, 'once');
    const camera = new Program(['virtual', '--link', link]);
    await expect.poll(() => camera.stderr, { timeout: 20_000 }).toMatch(/virtual camera on/);
    const program = new Program(['--port', link, '--no-shm', '--reconnect', 'off']);
    await expect.poll(() => program.stdout, { timeout: 20_000 }).toContain('delivered');
    unplug(camera.child, link);
    const { status, stderr } = await program.ended;
    expect(status).toBe(4);
    expect(stderr.match(/PORT_CLOSED|PORT_FAILED/g)).toHaveLength(1);
    await camera.ended;
  });
});

describe('figures', () => {
  it("the last line's rate is that of more than a moment", async () => {
    const program = new Program(['--port', 'virtual', '--no-shm']);
    const rates = () => [...program.stdout.matchAll(/([\d.]+) frames\/s/g)].map((match) => Number(match[1]));
    await expect.poll(() => rates().length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
    const before = rates().length;
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    expect(rates().length).toBe(before + 1);
    expect(rates().at(-1)).toBeGreaterThan(1);
  });
});

describe('watch', () => {
  it('for a while, with nothing to see: says so, and 3', async () => {
    const name = segmentName();
    const { status, stderr } = await run(['watch', name, '--duration', '0.5']);
    expect(stderr).toMatch(new RegExp(`${name}.*SHM_NOT_FOUND`, 's'));
    expect(status).toBe(3);
  });
});

/** The page in a real browser, on virtual cameras. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { plugIn } from '../../fakes/plugged-camera.js';
import { ofKind, readWhole } from '../../support/recording.js';
import { brightnessIn, type Canvas, open, pictureIn, seriousProblems, shownSequence } from './browser.js';
import { ask, atEnd, collect, ODD_NG, post, raw, request, serve, shown, until } from './support.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-page-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const MARKS_BY_SIZE = [
  process.execPath,
  fileURLToPath(new URL('fixtures/marks-by-size.mjs', import.meta.url)),
];
const CRASHES = [
  process.execPath,
  fileURLToPath(new URL('../program/adapters/odd.mjs', import.meta.url)),
  'crash',
];
const PHONE = { viewport: { width: 360, height: 740 } };

describe('the live picture', () => {
  it('changes, with the verdict beside it', async () => {
    const server = await serve();
    await shown(server, { runner: ODD_NG });
    const page = await open(server);
    const first = await pictureIn(page);
    await pictureIn(page, first + 5);
    await page.locator('.verdict.ng').waitFor();
    await page.locator('.verdict.ok').waitFor();
  });

  it('has the rectangles of exactly the frame that is shown', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: MARKS_BY_SIZE, virtual: { fps: 20 } });
    const frames = collect(bridge);
    const page = await open(server);
    await pictureIn(page);
    for (let round = 0; round < 5; round++) {
      // What is read here and what is drawn are one turn of the page's loop.
      const seen = await page.locator('.live canvas').evaluate((element) => {
        const canvas = element as unknown as Canvas;
        const { width, height } = canvas;
        return {
          sequence: Number(canvas.dataset['sequence']),
          judged: Number(canvas.dataset['judged']),
          width,
          pixels: [...canvas.getContext('2d').getImageData(0, 0, width, height).data],
        };
      });
      expect(seen.judged).toBe(seen.sequence);
      const { length } = frames.get(seen.sequence)!.jpeg;
      const [x, y] = [length % 200, 1 + ((length * 7) % 150)];
      // The upper edge has the colour of a defect, here and there of half a pixel.
      for (const along of [10, 30, 50]) {
        const orange = [-1, 0, 1].some((row) => {
          const at = 4 * ((y + row) * seen.width + x + along);
          const [red, green, blue] = seen.pixels.slice(at, at + 3) as [number, number, number];
          return red > 180 && red - green > 50 && red - blue > 100;
        });
        expect([along, orange]).toEqual([along, true]);
      }
      await pictureIn(page, seen.sequence);
    }
  });

  it('can be frozen, looked at and left by keyboard alone', async () => {
    const server = await serve();
    await shown(server);
    const page = await open(server);
    await pictureIn(page);
    const press = async (name: string): Promise<void> => {
      for (let tabs = 0; tabs < 60; tabs++) {
        await page.keyboard.press('Tab');
        const text = await page.evaluate<string | undefined>('document.activeElement?.textContent?.trim()');
        if (text === name) return page.keyboard.press('Enter');
      }
      throw new Error(`The keyboard does not reach "${name}"`);
    };
    await press('Freeze');
    await page.getByText('frozen', { exact: true }).waitFor();
    const still = await shownSequence(page);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await shownSequence(page)).toBe(still);
    const [download] = await Promise.all([page.waitForEvent('download'), press('Save the frame')]);
    expect(download.suggestedFilename()).toMatch(new RegExp(`-${still}\\.jpg$`));
    await press('Set up the lens');
    await page.getByRole('img', { name: /Histogram/ }).waitFor();
    expect(await page.locator('.lens meter').count()).toBe(1);
    await press('Go on');
    await pictureIn(page, still + 1);
    await press('Stop frames');
    await page.getByText('Frames are stopped.').waitFor();
    await press('Start frames');
    await pictureIn(page, (await shownSequence(page)) + 2);
  });

  it('fills the screen, with its buttons and verdicts, and comes back', async () => {
    const server = await serve();
    await shown(server, { runner: ODD_NG });
    const page = await open(server);
    const first = await pictureIn(page);
    const button = page.getByRole('button', { name: 'Full screen' });
    await button.click();
    await page.locator('.live:fullscreen .verdict').waitFor();
    await pictureIn(page, first + 2);
    expect(await page.locator('.live:fullscreen canvas').count()).toBe(1);
    await button.click();
    await page.locator('.live:not(:fullscreen)').waitFor();
  });

  it('tells the position and value of the pixel under the pointer', async () => {
    const server = await serve();
    await shown(server);
    const page = await open(server);
    await pictureIn(page);
    const box = (await page.locator('.live canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.getByText(/^x 1[56]\d, y 1[12]\d: red \d+, green \d+, blue \d+$/).waitFor();
    // The picture does not fill the width of a low, wide window: beside it is its edge.
    await page.setViewportSize({ width: 1800, height: 500 });
    const wide = (await page.locator('.live canvas').boundingBox())!;
    expect(wide.width / wide.height).toBeGreaterThan(2);
    const left = wide.x + wide.width / 2 - (wide.height * 4) / 3 / 2;
    await page.mouse.move(left + 20, wide.y + wide.height / 2);
    await page.getByText(/^x 1\d, y 1[12]\d: /).waitFor();
  });
});

it('a slider changes the picture', async () => {
  const server = await serve();
  await shown(server);
  const page = await open(server);
  await pictureIn(page);
  const slider = page.getByRole('slider', { name: 'Brightness' });
  await slider.focus();
  await page.keyboard.press('Home');
  await until('a dark picture', async () => (await brightnessIn(page)) < 100);
  const dark = await brightnessIn(page);
  await slider.focus();
  await page.keyboard.press('End');
  await until('a bright picture', async () => (await brightnessIn(page)) > dark + 60);
  const { body } = await ask(server, '/api/cameras');
  const { body: told } = await ask(server, `/api/cameras/${body.cameras[0].id}/controls`);
  expect(told.controls.find(({ name }: { name: string }) => name === 'brightness').value).toBe(4);
});

it('NG results are in the strip, with frame and marks', async () => {
  const server = await serve();
  await shown(server, { runner: ODD_NG });
  const page = await open(server);
  await page.locator('.card.ng').first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('odd at x 40, y 80, 100 × 60, score 0.75').waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('link', { name: 'Save the frame' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^[0-9a-f]{8}-\d+\.jpg$/);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.locator('.results select').last().selectOption('odd');
  await page.locator('.card.ng').first().waitFor();
  await page.locator('.results select').first().selectOption('failed');
  await page.getByText('None so far.').waitFor();
});

it('a camera that is pulled is told in words, and comes back', async () => {
  const server = await serve();
  const port = join(scratch, 'line');
  let pull = await plugIn(port);
  atEnd(() => pull());
  const bridge = await openBridge({ port, shm: false });
  atEnd(() => bridge.close());
  server.add(bridge);
  await bridge.start();
  const page = await open(server);
  const before = await pictureIn(page);
  await pull();
  await page.getByText(/The camera has been gone since \d\d:\d\d:\d\d.*Plug it in again/).waitFor();
  // Its last frame does not look like the present.
  await page.getByText('not live', { exact: true }).waitFor();
  pull = await plugIn(port);
  await page.getByText('Frames are coming.').waitFor({ timeout: 30_000 });
  await pictureIn(page, before);
});

it('an algorithm that is being started again is told, with what it said', async () => {
  const server = await serve();
  // The page asks once a second: a restart that is shorter may not be seen.
  await shown(server, { runner: CRASHES, supervision: { backoffMinMs: 600_000, backoffMaxMs: 600_000 } });
  const page = await open(server);
  const state = page.getByRole('region', { name: 'State' });
  await state.getByText(/The algorithm is being started again: .*the model is empty/).waitFor();
  await pictureIn(page, (await shownSequence(page)) + 5);
});

it('an algorithm that has failed for good is told, with what it said and what to do, and frames go on', async () => {
  const server = await serve();
  await shown(server, { runner: CRASHES, supervision: { crashLimit: 1 } });
  const page = await open(server);
  const state = page.getByRole('region', { name: 'State' });
  await state.getByText(/The algorithm has failed for good: .*the model is empty/).waitFor();
  await state.getByText('put it right, and start the bridge again').waitFor();
  await state.locator('pre').getByText('the model is empty').waitFor();
  await pictureIn(page, (await shownSequence(page)) + 5);
});

it('NG frames that cannot be kept are told, in the state and in the grid', async () => {
  const keepNgDir = join(scratch, 'kept');
  const server = await serve({ keepNgDir });
  await shown(server, { runner: ODD_NG });
  // The bridge makes the folder again when it is quicker.
  await vi.waitFor(() => {
    rmSync(keepNgDir, { recursive: true, force: true });
    writeFileSync(keepNgDir, 'a file where the folder was');
  }, 20_000);
  const page = await open(server);
  await page.getByText('✗ NG frames').waitFor();
  await page
    .getByRole('region', { name: 'State' })
    .getByText(/NG frames cannot be kept/)
    .waitFor();
  await shown(server);
  await page
    .locator('.tile')
    .getByText(/NG frames cannot be kept/)
    .first()
    .waitFor();
});

it('a script is run, its output shown, and frames brought back', async () => {
  const server = await serve();
  await shown(server);
  const page = await open(server);
  await pictureIn(page);
  await page.getByText('Run another script').click();
  const name = 'hello.py';
  const buffer = Buffer.from('print("hello from", 6 * 7)');
  await page.locator('input[type=file]').setInputFiles({ name, mimeType: 'text/x-python', buffer });
  await expect.poll(() => page.getByRole('textbox').inputValue()).toBe(buffer.toString());
  await page.getByRole('button', { name: 'Run it' }).click();
  await page.getByText('hello from 42').waitFor();
  const last = await shownSequence(page);
  await page.getByRole('button', { name: 'Start frames' }).click();
  await pictureIn(page, last + 2);
});

it('a recording is started, shown after a reload and when others change it, and stopped', async () => {
  const server = await serve();
  const { cameraId } = await shown(server);
  const page = await open(server);
  // Where the bridge runs, recordings go to.
  const folder = mkdtempSync(join(scratch, 'recordings-'));
  const cwd = vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'missing'));
  atEnd(() => cwd.mockRestore());
  const [record, stop] = [/^Record$/, /^Stop recording$/].map((name) => page.getByRole('button', { name }));
  const recorded = async (): Promise<{ path: string; bytes: number; cameras: string[] }> =>
    (await post(server, '/api/commands/get_recording')).body;

  await record!.click();
  await page.getByRole('alert').getByText('The recording cannot be written').waitFor();
  cwd.mockReturnValue(folder);
  await record!.click();
  await page.getByText(`● Records to ${join(folder, cameraId)}-`).waitFor();
  await page.reload();
  await page.getByText(`● Records to ${join(folder, cameraId)}-`).waitFor();
  await until('some frames in the file', async () => (await recorded()).bytes > 300_000);
  const state = page.getByRole('region', { name: 'State' });
  await state.getByText(/^\d+\.[1-9] MB$|^[1-9]\d*\.\d MB$/).waitFor();
  const { path, cameras } = await recorded();
  expect(path).toMatch(/-\d{8}-\d{6}\.mcap$/);
  expect(cameras).toEqual([cameraId]);
  await stop!.click();
  await page.getByText(`Recorded to ${path}`).waitFor();
  const sequences = ofKind(await readWhole(path), 'frame').map(({ sequence }) => sequence);
  expect(sequences.length).toBeGreaterThan(3);
  expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));

  expect((await post(server, '/api/commands/start_recording')).status).toBe(200);
  await stop!.waitFor();
  expect((await post(server, '/api/commands/stop_recording')).status).toBe(200);
  await record!.waitFor();
  expect((await post(server, '/api/commands/start_recording', { path: 'any.mcap' })).status).toBe(403);

  await page.route('**/api/commands/get_recording*', (route) =>
    route.fulfill({ status: 403, json: { code: 'HTTP_DENIED', message: 'Not for this page.' } }),
  );
  await page.reload();
  await page.getByText('It cannot be recorded from here: Not for this page.').waitFor();
  expect(await record!.isDisabled()).toBe(true);
});

it('a reload keeps the charts', async () => {
  const server = await serve();
  const bridge = await shown(server, { runner: ODD_NG });
  const page = await open(server);
  const samples = async (): Promise<number> =>
    (await ask(server, `/api/cameras/${bridge.cameraId}/history`)).body.timeMs.length;
  await until('some samples', async () => (await samples()) >= 4);
  await page.reload();
  const frames = page.getByRole('img', { name: /^Frames: delivered \d/ });
  await frames.waitFor();
  expect(await frames.locator('canvas').count()).toBe(1);
  await page
    .getByRole('img', { name: /^Latency from delivery to result: half are faster \(p50\) \d/ })
    .waitFor();
  await page.getByRole('img', { name: /^Memory: bridge \d/ }).waitFor();
  const yields = page.getByRole('img', { name: /^Yield \(OK of OK and NG\): of a minute \d/ });
  await yields.waitFor();
  await yields.getByText(/^\d+(\.\d+)? %$/).waitFor();
});

it('charts begin again with another run of the bridge, at the same address', async () => {
  const server = await serve({ runId: 'the-first-run' });
  await shown(server, { virtual: { id: 7 } });
  const page = await open(server);
  const memory = page.getByRole('img', { name: /^Memory: bridge \d/ });
  await memory.waitFor();
  // The browser says that no server listens meanwhile.
  page.removeAllListeners('console');
  const runs: string[] = [];
  page.on('response', async (answer) => {
    if (answer.url().includes('/history') && answer.ok())
      runs.push(((await answer.json().catch(() => ({}))) as { runId?: string }).runId ?? '');
  });
  const before = await pictureIn(page, 30);
  await server.close();
  await page.getByRole('alert').getByText('The bridge does not answer. Is it running?').first().waitFor();
  const next = await serve({ http: new URL(server.url).port, runId: 'another-run' });
  await shown(next, { virtual: { id: 7 } });
  await until('the new run', () => runs.includes('another-run'));
  await expect.poll(() => shownSequence(page)).toBeLessThan(before);
  await memory.waitFor();
  expect(await page.getByText('The bridge does not answer. Is it running?').count()).toBe(0);
});

it('three viewers, one of them stalled: the others go on', async () => {
  const server = await serve();
  const bridge = await shown(server, { virtual: { fps: 30 } });
  const frames = collect(bridge);
  const stalled = raw(server, request(server, '/stream.mjpg'));
  stalled.socket.pause();
  const [one, other] = [await open(server), await open(server)];
  const [first, second] = [await pictureIn(one), await pictureIn(other)];
  const delivered = frames.size;
  await pictureIn(one, first + 30);
  await pictureIn(other, second + 30);
  await until('frames go on', () => frames.size > delivered + 30);
});

it('of several cameras there is a grid, and a tab each', async () => {
  const server = await serve();
  const [one, other] = [await shown(server), await shown(server)];
  const page = await open(server);
  for (const { cameraId } of [one, other]) {
    const tile = page.getByRole('region', { name: cameraId, exact: true });
    await expect.poll(() => tile.locator('canvas').getAttribute('data-sequence')).not.toBeNull();
  }
  const tabs = await page.getByRole('navigation').getByRole('button').allTextContents();
  const ids = [other.cameraId, one.cameraId].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  expect(tabs.slice(1).map((text) => text.split(' ').at(-1))).toEqual(ids);
  await page.getByRole('navigation').getByRole('button', { name: other.cameraId }).click();
  await page.getByRole('region', { name: `Live picture of ${other.cameraId}` }).waitFor();
  await expect.poll(() => page.title()).toBe(`${other.cameraId}: openmv-bridge`);
  await page.reload();
  await page.getByRole('region', { name: `Live picture of ${other.cameraId}` }).waitFor();
});

it.each(['light', 'dark'] as const)('axe-core finds no serious problem, %s', async (colorScheme) => {
  const server = await serve();
  await shown(server, { runner: ODD_NG });
  const page = await open(server, { colorScheme });
  await pictureIn(page);
  await page.locator('.card.ng').first().waitFor();
  await page.getByRole('img', { name: /^Frames:/ }).waitFor();
  await page.getByRole('button', { name: 'Set up the lens' }).click();
  await page.getByText('Run another script').click();
  expect(await seriousProblems(page)).toEqual([]);
});

it('fits a phone, with the state right below the picture and reasons of any length', async () => {
  const server = await serve();
  await shown(server, { runner: MARKS_BY_SIZE });
  const page = await open(server, { ...PHONE, hasTouch: true });
  await pictureIn(page);
  await page.getByRole('img', { name: /^Frames:/ }).waitFor();
  const top = async (name: string): Promise<number> =>
    (await page.getByRole('region', { name, exact: true }).boundingBox())!.y;
  expect(await top('State')).toBeLessThan(await top('Results'));
  await page.locator('.results select option').nth(5).waitFor({ state: 'attached' });
  const [wide, seen] = await page.evaluate<[number, number]>(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  );
  expect(wide).toBe(seen);
});

it('a bridge that ends is told', async () => {
  const server = await serve();
  await shown(server);
  const page = await open(server);
  await pictureIn(page);
  // The browser says that no server listens at the address: that is what this is about.
  page.removeAllListeners('console');
  await server.close();
  await page.getByRole('alert').getByText('The bridge does not answer. Is it running?').first().waitFor();
});

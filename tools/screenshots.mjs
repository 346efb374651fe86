/**
 * Takes the screenshots of the page for README: the virtual camera with the example algorithm, light and dark, at the
 * moment of an NG verdict. Needs chromium. `npm run build && node tools/screenshots.mjs`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

/** Long enough for charts to have lines. */
const LOOK_MS = 30_000;
const FOLDER = fileURLToPath(new URL('../docs/images/', import.meta.url));

const start = fileURLToPath(new URL('start.mjs', import.meta.url));
const bridge = spawn(process.execPath, [start], { stdio: ['ignore', 'ignore', 'pipe'] });
const address = await new Promise((resolve, reject) => {
  bridge.once('exit', () => reject(new Error('The bridge has ended before it told its address.')));
  createInterface(bridge.stderr).on('line', (line) => {
    const found = /http:\/\/\S+/.exec(line);
    if (found) resolve(found[0]);
  });
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
mkdirSync(FOLDER, { recursive: true });
await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
for (const colorScheme of ['light', 'dark']) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme });
  await page.goto(address);
  await page.locator('.charts canvas').first().waitFor();
  // A frame with a mark is on the screen for a thirtieth of a second: the page is asked at each.
  await page.evaluate(
    `new Promise((resolve) => {
      const look = () => {
        if (!document.querySelector('.verdict.ng')) return requestAnimationFrame(look);
        for (const button of document.querySelectorAll('button')) if (button.textContent === 'Freeze') button.click();
        resolve();
      };
      look();
    })`,
  );
  await page.waitForTimeout(1_500);
  const picture = await page.screenshot();
  await sharp(picture)
    .png({ palette: true, colours: 128, effort: 10 })
    .toFile(`${FOLDER}page-${colorScheme}.png`);
}
await browser.close();
bridge.kill('SIGINT');
await once(bridge, 'exit');

/** A real browser for the tests of the page: Debian's chromium, driven by playwright-core. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, expect } from 'vitest';
import type { WebServer } from '../../../src/web/index.js';
import { CHROMIUM, needs } from '../../support/needs.js';
import { atEnd } from './support.js';

let browser: Promise<Browser> | undefined;
afterAll(async () => (await browser)?.close());

/** Opens the page of a server. Errors of the page, refused files and broken rules of its content policy fail the test. */
export async function open(server: WebServer, options: BrowserContextOptions = {}, hash = ''): Promise<Page> {
  needs('chromium');
  browser ??= chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-gpu'] });
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const wrong: string[] = [];
  atEnd(async () => {
    await context.close();
    expect(wrong).toEqual([]);
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('console', (message) => {
    // An answer that says no is told on the page.
    if (message.type() === 'error' && !/status of [45]/.test(message.text())) wrong.push(message.text());
  });
  await page.goto(new URL(`/${hash}`, server.url).href);
  return page;
}

/** What the tests need of a canvas; they are checked without the types of browsers. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly dataset: Readonly<Record<string, string | undefined>>;
  getContext(kind: '2d'): {
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  };
}

/** The sequence of the frame that is shown. */
export const shownSequence = (page: Page): Promise<number> =>
  page
    .locator('.live canvas')
    .evaluate((canvas) => Number((canvas as unknown as Canvas).dataset['sequence'] ?? 0));

/** Waits for a picture; gives its frame's sequence. */
export async function pictureIn(page: Page, after = 0): Promise<number> {
  await expect.poll(() => shownSequence(page), { timeout: 30_000 }).toBeGreaterThan(after);
  return shownSequence(page);
}

/** Mean brightness of the picture, 0 to 255. */
export const brightnessIn = (page: Page): Promise<number> =>
  page.locator('.live canvas').evaluate((element) => {
    const canvas = element as unknown as Canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at]! + data[at + 1]! + data[at + 2]!;
    return sum / (data.length / 4) / 3;
  });

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds that is serious or worse. */
export async function seriousProblems(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: axe is defined by its script
    const { violations } = await (globalThis as any).axe.run();
    return violations
      .filter(({ impact }: { impact: string }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }: { id: string; nodes: { html: string }[] }) =>
        nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`),
      );
  });
}

/** Cameras and hosts that a test opened, closed again at its end. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import {
  openVirtualCamera,
  type VirtualCamera,
  type VirtualCameraInput,
} from '../../../src/virtual/index.js';
import { TestHost } from './host.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

export async function camera(options: VirtualCameraInput = {}): Promise<VirtualCamera> {
  const made = await openVirtualCamera(options);
  open.push(made);
  return made;
}

type LinkChoice = Parameters<typeof TestHost.connect>[1];

export async function host(to: VirtualCamera, link: LinkChoice = {}): Promise<TestHost> {
  const made = await TestHost.connect(to.connect(), link);
  open.push(made);
  return made;
}

/** A camera out of the box with a host: for tests that bring their own script. */
export async function blank(
  options: VirtualCameraInput = {},
  link: LinkChoice = {},
): Promise<{ camera: VirtualCamera; host: TestHost }> {
  const made = await camera({ script: null, ...options });
  return { camera: made, host: await host(made, link) };
}

export const fixture = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url)), 'utf8');

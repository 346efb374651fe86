/** Where servers listen, and which names of them count as this machine's own. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { BridgeError } from './errors.js';
import { readProblem } from './files.js';

export interface Address {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

/** Reads `PORT`, `HOST:PORT` or `[IPV6]:PORT`, as `options.http` has them. */
export function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(':');
  const named = colon < 0 ? '127.0.0.1' : text.slice(0, colon).replace(/^\[|\]$/g, '');
  // One address, not both that this name may have.
  const host = named.toLowerCase() === 'localhost' ? '127.0.0.1' : named;
  return { host, port: Number(text.slice(colon + 1)) };
}

/** Whether only programs of this machine can reach a name, or an address in the form of a `Host` header without its port. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** A `Host` header, or what follows `//` in an `Origin`, without its port; undefined: it is neither. */
export function hostName(header: string): string | undefined {
  return /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.exec(header)?.[1]?.toLowerCase();
}

/** OPTION_INVALID: other machines reach the address, and there is no token. */
export function checkReach({ host }: Address, token: string | undefined): void {
  if (token !== undefined || isLoopback(host)) return;
  throw new BridgeError(
    'OPTION_INVALID',
    `Other machines reach ${host}: give a token as well (httpToken or httpTokenFile), or serve 127.0.0.1.`,
    { context: { options: ['httpToken', 'httpTokenFile'] } },
  );
}

export function urlOf({ host, port }: Address): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
}

/** The token of the options, or the first line of its file. FILE_FAILED, OPTION_INVALID. */
export async function readToken(
  token: string | undefined,
  file: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) return token;
  if (token !== undefined) {
    throw new BridgeError(
      'OPTION_INVALID',
      'httpToken and httpTokenFile say the same thing: give one of them.',
    );
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const message = `The token file ${file} cannot be read: ${readProblem(cause)}.`;
    throw new BridgeError('FILE_FAILED', message, { cause });
  }
  const [line = ''] = text.split(/\r?\n/);
  if (/^[\x21-\x7e]{1,256}$/.test(line)) return line;
  throw new BridgeError(
    'OPTION_INVALID',
    `The first line of the token file ${file} is no token: 1 to 256 visible ASCII characters without spaces.`,
  );
}

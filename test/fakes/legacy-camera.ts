/** A camera with firmware before 5, on a pseudo-terminal: it answers the legacy debug protocol's request for its version. */
import { openPty, type PtyMaster } from '../../src/virtual/line/pty.js';

/** Size of a request: 0x30, the command, and the length of the reply. */
const REQUEST_SIZE = 6;
const REQUEST_MARK = 0x30;
const FW_VERSION = 0x80;

export class LegacyCamera {
  /** Every request that it took for one, as hexadecimal digits. */
  readonly requests: string[] = [];
  readonly #line: PtyMaster;
  readonly #version: readonly number[];
  #unread = Buffer.alloc(0);

  private constructor(line: PtyMaster, version: readonly number[]) {
    this.#line = line;
    this.#version = version;
    line.onData((chunk) => this.#take(chunk));
  }

  static async open(version: readonly number[]): Promise<LegacyCamera> {
    return new LegacyCamera(await openPty(), version);
  }

  get path(): string {
    return this.#line.slavePath;
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  /** Reads six bytes at a time, as the firmware does, and throws away those that do not begin a request. */
  #take(chunk: Uint8Array): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    while (this.#unread.length >= REQUEST_SIZE) {
      const request = this.#unread.subarray(0, REQUEST_SIZE);
      this.#unread = this.#unread.subarray(REQUEST_SIZE);
      if (request[0] !== REQUEST_MARK) continue;
      this.requests.push(request.toString('hex'));
      if (request[1] !== FW_VERSION) continue;
      const reply = Buffer.alloc(request.readUInt32LE(2));
      for (const [index, part] of this.#version.entries()) reply.writeUInt32LE(part, 4 * index);
      this.#line.write(reply);
    }
  }
}

/**
 * Channels whose backend is an object of the script (vendor: modules/py_protocol.c). A method that raises is
 * answered as the firmware answers it.
 */

import { CHANNEL_NAME_SIZE, ChannelFlag } from '../../protocol/index.js';
import type { DeviceChannel } from '../device/device-types.js';
import { CHANNEL_WORDS, Method } from './codes.js';
import type { Interpreter, PythonCall } from './interpreter.js';

/** `dispatch` returns this when the method raised. */
const RAISED = -1;

export class PythonChannels {
  readonly #interpreter: Interpreter;
  readonly #dispatch: PythonCall;
  /** Where data for `write` and `ioctl` is put. */
  readonly #scratch: number;
  readonly #polls: (() => boolean)[] = [];

  /** `maxPayload`: bytes that a host can send in one request. */
  constructor(interpreter: Interpreter, maxPayload: number) {
    this.#interpreter = interpreter;
    this.#dispatch = interpreter.lookup('_board', 'dispatch');
    this.#scratch = interpreter.allocate(maxPayload);
  }

  /** Whether any channel says that it has something to read. */
  get ready(): boolean {
    return this.#polls.some((poll) => poll());
  }

  /** A channel of the backend with that number; `methods` is a mask of what the backend has. */
  create(name: string, flags: number, methods: number, backend: number): DeviceChannel {
    const has = (method: number): boolean => (methods & (1 << method)) !== 0;
    const readable = has(Method.READ) || has(Method.READP) ? ChannelFlag.READ : 0;
    const writable = has(Method.WRITE) ? ChannelFlag.WRITE : 0;
    const lockable = has(Method.LOCK) && has(Method.UNLOCK) ? ChannelFlag.LOCK : 0;
    const poll = (): boolean => this.#call(Method.POLL, backend) === 1;
    if (has(Method.POLL)) this.#polls.push(poll);
    return {
      name: cutName(name),
      flags: (flags | readable | writable | lockable) & 0xff,
      ...(has(Method.POLL) && { poll }),
      ...(has(Method.SIZE) && { size: () => this.#size(backend) }),
      ...(has(Method.SHAPE) && { shape: () => this.#shape(backend) }),
      ...(has(Method.READP) && {
        readp: (offset: number, length: number) => this.#readp(backend, offset, length),
      }),
      ...(has(Method.READ) && {
        read: (offset: number, length: number) => this.#read(backend, offset, length),
      }),
      ...(has(Method.WRITE) && {
        write: (offset: number, data: Uint8Array) => this.#send(Method.WRITE, backend, offset, data),
      }),
      ...(has(Method.IOCTL) && {
        ioctl: (request: number, data: Uint8Array) => this.#send(Method.IOCTL, backend, request, data),
      }),
      ...(has(Method.LOCK) && { lock: () => this.#call(Method.LOCK, backend) === 1 }),
      ...(has(Method.UNLOCK) && { unlock: () => this.#call(Method.UNLOCK, backend) === 1 }),
    };
  }

  #word(index: number): number {
    return this.#interpreter.word(CHANNEL_WORDS + index);
  }

  #setWord(index: number, value: number): void {
    this.#interpreter.setWord(CHANNEL_WORDS + index, value);
  }

  #call(method: number, backend: number): number {
    return this.#dispatch(method, backend) ?? RAISED;
  }

  #size(backend: number): number {
    return this.#call(Method.SIZE, backend) === RAISED ? 0 : this.#word(0);
  }

  #shape(backend: number): readonly number[] {
    const count = Math.max(0, this.#call(Method.SHAPE, backend));
    return Array.from({ length: count }, (_, index) => this.#word(index));
  }

  /** As much as was asked for from the buffer's address on, however long the buffer is: so does the firmware. */
  #readp(backend: number, offset: number, length: number): Uint8Array | undefined {
    if (this.#ask(Method.READP, backend, offset, length) === RAISED) return undefined;
    const address = this.#word(0);
    return this.#interpreter.bytes.subarray(address, address + length);
  }

  #read(backend: number, offset: number, length: number): Uint8Array | undefined {
    const count = this.#ask(Method.READ, backend, offset, length);
    if (count <= 0) return undefined;
    const address = this.#word(0);
    return this.#interpreter.bytes.subarray(address, address + Math.min(count, length));
  }

  #ask(method: number, backend: number, offset: number, length: number): number {
    this.#setWord(0, offset);
    this.#setWord(1, length);
    return this.#call(method, backend);
  }

  #send(method: number, backend: number, first: number, data: Uint8Array): number {
    this.#interpreter.bytes.set(data, this.#scratch);
    this.#setWord(2, this.#scratch);
    return this.#ask(method, backend, first, data.length);
  }
}

/** The wire has room for 13 bytes; a character is not cut in the middle. */
function cutName(name: string): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length < CHANNEL_NAME_SIZE) return name;
  return new TextDecoder().decode(bytes.subarray(0, CHANNEL_NAME_SIZE - 1), { stream: true });
}

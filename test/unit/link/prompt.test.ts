/** Acks on: which requests leave the camera's script time before they come. */
import { expect, it } from 'vitest';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, isAck, parse, pattern } from './support.js';

/** Milliseconds from the host's last ACK to the request behind it. */
function pauseBefore(prompt: boolean): number {
  const line = new VirtualLine().connect();
  const id = line.device.register(bufferChannel(pattern(9_000)));
  const read = (): void => {
    const destination = new Uint8Array(9_000);
    const payload = encodeIoRequest(0, destination.length);
    line.submit({ opcode: Opcode.CHANNEL_READ, channel: id, payload, destination, prompt });
  };
  read();
  read();
  line.run(() => line.requests.every(({ outcome }) => outcome));
  const fromHost = line.sent.filter(({ direction }) => direction === 'toDevice');
  const second = fromHost.filter(({ packet }) => !isAck(parse(packet))).at(-1)!;
  const before = fromHost[fromHost.indexOf(second) - 1]!;
  return second.at - before.at;
}

it('a request waits behind the ACK of the reply before it, so that a script that is polled gets on', () => {
  expect(pauseBefore(false)).toBe(HOST_TIMING.ackPauseMs);
});

it('a prompt one goes at once', () => {
  expect(pauseBefore(true)).toBe(0);
});

it('a prompt one stays behind one that waits', () => {
  const line = new VirtualLine().connect();
  const id = line.device.register(bufferChannel(pattern(100)));
  line.ask({ opcode: Opcode.CHANNEL_SIZE, channel: id });
  const order: number[] = [];
  const ask = (opcode: number, prompt: boolean): void => {
    line.submit({ opcode, channel: id, prompt, settle: () => order.push(opcode) });
  };
  ask(Opcode.CHANNEL_SIZE, false);
  ask(Opcode.CHANNEL_LIST, true);
  line.run(() => order.length === 2);
  expect(order).toEqual([Opcode.CHANNEL_SIZE, Opcode.CHANNEL_LIST]);
});

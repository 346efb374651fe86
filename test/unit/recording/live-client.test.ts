/** A viewer that does not keep up misses whole messages; one that does not read at all is ended. */
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { liveClient } from '../../../src/recording/live-client.js';

const MEBIBYTE = 2 ** 20;

function fake() {
  const sent: string[] = [];
  const socket = {
    bufferedAmount: 0,
    ended: false,
    send: (data: string) => sent.push(data),
    terminate: () => {
      socket.ended = true;
    },
  };
  return { socket, sent, client: liveClient(socket as unknown as WebSocket) };
}

it('leaves out both parts of a message, never one of them, and no words of the protocol', () => {
  const { socket, sent, client } = fake();
  const message = (name: string, between = (): void => undefined): void => {
    client.send(`${name} head`, { fin: false });
    between();
    client.send(`${name} data`, { fin: true });
  };
  message('first');
  socket.bufferedAmount = 9 * MEBIBYTE;
  message('second');
  client.send('advertise');
  message('third', () => {
    socket.bufferedAmount = 0;
  });
  message('fourth', () => {
    socket.bufferedAmount = 9 * MEBIBYTE;
  });
  expect(sent).toEqual(['first head', 'first data', 'advertise', 'fourth head', 'fourth data']);
  expect(socket.ended).toBe(false);
});

it('ends a connection for which too much has piled up', () => {
  const { socket, sent, client } = fake();
  socket.bufferedAmount = 33 * MEBIBYTE;
  client.send('advertise');
  expect(sent).toEqual([]);
  expect(socket.ended).toBe(true);
});

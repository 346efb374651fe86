import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import type { ByteStreamHandlers } from '../../../src/link/byte-stream.js';
import { tapped } from '../../../src/link/tap.js';

describe('a tap', () => {
  it('sees what is sent before it leaves, what comes before it is acted upon, and the end', () => {
    const order: string[] = [];
    let inner: ByteStreamHandlers | undefined;
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    const stream = tapped(
      {
        name: 'a line',
        kind: 'uart',
        start: (handlers) => (inner = handlers),
        write: (bytes) => void order.push(`written ${hex(bytes)}`),
        close: async () => void order.push('close'),
      },
      {
        opened: ({ name, kind }) => order.push(`opened ${name} ${kind}`),
        sent: (bytes) => order.push(`sent ${hex(bytes)}`),
        received: (bytes) => order.push(`received ${hex(bytes)}`),
        closed: (error) => order.push(`closed ${error?.code}`),
      },
    );
    expect(stream).toMatchObject({ name: 'a line', kind: 'uart' });
    stream.start({
      data: (chunk) => order.push(`data ${hex(chunk)}`),
      closed: (error) => order.push(`over ${error?.code}`),
    });
    stream.write(Uint8Array.of(1, 2));
    inner!.data(Uint8Array.of(3));
    inner!.closed(new BridgeError('PORT_CLOSED', 'unplugged'));
    expect(order).toEqual([
      'opened a line uart',
      'sent 0102',
      'written 0102',
      'received 03',
      'data 03',
      'closed PORT_CLOSED',
      'over PORT_CLOSED',
    ]);
  });
});

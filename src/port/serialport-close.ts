import type { SerialPort } from 'serialport';

/** Closes a `serialport` port whatever state it is in; never fails, and resolves when the handle is free. */
export function closeSerialPort(port: SerialPort): Promise<void> {
  return new Promise((resolve) => {
    // "Port is not open" is what the callback gets when a hang-up was faster: the handle is free then as well.
    port.close(() => resolve());
  });
}

/** Opens a `serialport` port made with `autoOpen: false`. */
export function openPort(port: SerialPort): Promise<void> {
  return new Promise((resolve, reject) => {
    port.open((error) => (error ? reject(error) : resolve()));
  });
}

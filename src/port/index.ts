export { BOARDS, type Board, boardOf, OPENMV_VENDOR_ID, type UsbSpeed, usbIdText } from './boards.js';
export { type DiscoveryOptions, describePort, findCamera, listCameras, listPorts } from './discovery.js';
export { findHolders, findProcesses, findPtyOwner, type Holder } from './holders.js';
export { MODEM_MANAGER, portObstacle, SERIAL_GROUPS } from './port-errors.js';
export type { PortInfo, SystemRoots } from './port-info.js';
export { type ProbeOptions, probeCamera } from './probe.js';
export { openSerialPort, type SerialPortOptions } from './serial-port.js';
export { discardInput, discardOutput } from './tty-control.js';
export { FdWriter, readTty } from './tty-io.js';
export {
  findUdevRule,
  keepsModemManagerAway,
  UDEV_FOLDERS,
  UDEV_RULE_FILE,
  udevRule,
} from './udev.js';

/** The module `protocol` (vendor: modules/py_protocol.c). The line to the host is the only transport there is. */
export const PROTOCOL_MODULE = `
import _vcam
from _board import backends

CHANNEL_FLAG_READ = 1
CHANNEL_FLAG_WRITE = 2
CHANNEL_FLAG_LOCK = 8
CHANNEL_FLAG_PHYSICAL = 64

CHANNEL_ID_TRANSPORT = 0
CHANNEL_ID_STDIN = 1
CHANNEL_ID_STDOUT = 2
CHANNEL_ID_STREAM = 3
CHANNEL_ID_PROFILE = 4

_METHODS = ("poll", "size", "shape", "readp", "read", "write", "ioctl", "lock", "unlock")
_send_event = _vcam.send_event
_register = _vcam.register
_is_active = _vcam.is_active

class ProtocolChannel:
    def __init__(self, name, id):
        self._name = name
        self._id = id

    def __repr__(self):
        return "<ProtocolChannel: %s>" % self._name

    def send_event(self, event, wait_ack=False):
        if not _send_event(self._id, event & 0xFFFF, 1 if wait_ack else 0):
            raise RuntimeError("Failed to send channel event")

def init(**options):
    raise RuntimeError("Failed to initialize protocol")

def is_active():
    return bool(_is_active())

def register(name, flags=0, backend=None):
    if backend is None:
        raise TypeError("'backend' argument required")
    if not isinstance(name, str):
        raise TypeError("can't convert '%s' object to str implicitly" % type(name).__name__)
    failed = bool(flags & CHANNEL_FLAG_PHYSICAL)
    if not failed and hasattr(backend, "init"):
        try:
            backend.init()
        except BaseException:
            failed = True
    methods = 0
    for bit in range(len(_METHODS)):
        if hasattr(backend, _METHODS[bit]):
            methods |= 1 << bit
    id = -1
    if not failed:
        backends.append(backend)
        id = _register(name, flags, methods, len(backends) - 1)
    if id < 0:
        raise RuntimeError("Failed to register protocol channel")
    return ProtocolChannel(name, id)
`;

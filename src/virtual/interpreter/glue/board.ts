import { CHANNEL_WORDS, INTERRUPTED, SHARED_WORDS } from '../codes.js';

/**
 * `_board`: what keeps the board going under a script, and how the firmware calls a script's channels.
 *
 * `_hook` runs at the script's jumps and puts itself into the scheduler's queue again first: nothing follows
 * `service`, so an interrupt that it leaves behind is raised in the script and not in the hook.
 *
 * Arguments and results of `dispatch` lie in the shared words for channels, as they may not fit into small integers.
 */
export const BOARD_MODULE = `
import gc, micropython, sys, time, uctypes, _vcam

_schedule = micropython.schedule
_service = _vcam.service
_wait_ms = _vcam.sleep_ms
_wait_us = _vcam.sleep_us
addressof = uctypes.addressof
bytearray_at = uctypes.bytearray_at

def _words(first, count):
    return uctypes.struct(_vcam.words + 4 * first, {"w": (uctypes.ARRAY | 0, count | uctypes.UINT32)}).w

words = _words(0, ${CHANNEL_WORDS})
_call = _words(${CHANNEL_WORDS}, ${SHARED_WORDS - CHANNEL_WORDS})

def _hook(_):
    _schedule(_hook, 0)
    _service()

_schedule(_hook, 0)

def _slept(code):
    while code == ${INTERRUPTED}:
        pass  # here the interrupt is raised

def _sleep(seconds):
    if seconds < 1:
        _slept(_wait_us(int(seconds * 1000000)))
    else:
        _slept(_wait_ms(int(seconds * 1000)))

def _sleep_ms(ms):
    _slept(_wait_ms(ms | 0))

def _sleep_us(us):
    _slept(_wait_us(us | 0))

class clock:
    def __init__(self):
        self.reset()

    def reset(self):
        self._start = time.ticks_ms()
        self._elapsed = 0
        self._frames = 0

    def tick(self):
        self._start = time.ticks_ms()

    def avg(self):
        self._frames += 1
        self._elapsed += time.ticks_diff(time.ticks_ms(), self._start)
        return self._elapsed / self._frames

    def fps(self):
        self._frames += 1
        self._elapsed += time.ticks_diff(time.ticks_ms(), self._start)
        return self._frames * 1000 / self._elapsed if self._elapsed else 0.0

time.sleep = _sleep
time.sleep_ms = _sleep_ms
time.sleep_us = _sleep_us
time.clock = clock
sys.modules["utime"] = time

schedule = _schedule
# Pins with a handler, also of those that have been replaced.
pins = []

def drive_pin(pin, level):
    pins[pin]._drive(level)
    return 0

backends = []
_FAILED = -1

def _poll(backend):
    return 1 if backend.poll() else 0

def _size(backend):
    _call[0] = backend.size()
    return 0

def _shape(backend):
    shape = backend.shape()
    if not isinstance(shape, tuple):
        return 0
    count = min(4, len(shape))
    for index in range(count):
        _call[index] = shape[index]
    return count

def _readp(backend):
    _call[0] = addressof(backend.readp(_call[0], _call[1]))
    return 0

def _read(backend):
    data = backend.read(_call[0], _call[1])
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, (bytes, bytearray, memoryview)):
        data = bytes(data) if data is not None else addressof(data)
    _call[0] = addressof(data)
    return len(data)

def _write(backend):
    result = backend.write(_call[0], bytearray_at(_call[2], _call[1]))
    return result if isinstance(result, int) else 0

def _ioctl(backend):
    count = _call[1]
    result = backend.ioctl(_call[0], count, bytearray_at(_call[2], count) if count else None)
    return result if isinstance(result, int) else 0

def _lock(backend):
    return 1 if backend.lock() else 0

def _unlock(backend):
    return 1 if backend.unlock() else 0

_calls = (_poll, _size, _shape, _readp, _read, _write, _ioctl, _lock, _unlock)

# A method that raises is a request that failed: the firmware says nothing about it either.
def dispatch(call, backend):
    try:
        return _calls[call](backends[backend])
    except BaseException:
        return _FAILED

# Consumes an interrupt that no jump of the script came to meet.
def meet_interrupt(first, second):
    try:
        for _ in range(99):
            pass
    except KeyboardInterrupt:
        pass
    return 0

def memory(first, second):
    _call[0] = gc.mem_alloc()
    return 0
`;

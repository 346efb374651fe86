/** The parts of the module `machine` that camera scripts lean on: pins, which keep their state and may be driven from outside, and LEDs. */
export const MACHINE_MODULE = `
import _vcam
from _board import pins, schedule
from binascii import unhexlify

_reset = _vcam.reset
PWRON_RESET = 1
SOFT_RESET = 5

def unique_id():
    return unhexlify(_vcam.unique_id)

def reset():
    _reset()

def soft_reset():
    raise SystemExit

def reset_cause():
    return PWRON_RESET

def freq(*args):
    return 600000000

class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=0, **options):
        self._id = id
        self._value = 1 if value else 0
        self._handler = None
        self._edges = 0

    def irq(self, handler=None, trigger=3, *, hard=False, **options):
        self._handler = handler
        self._edges = trigger if handler else 0
        if self not in pins:
            pins.append(self)
            _vcam.watch_pin(str(self._id), len(pins) - 1)

    # From outside: the script's handler is called at its next jump.
    def _drive(self, level):
        edge = 0 if level == self._value else 1 if level else 2
        self._value = level
        if edge & self._edges:
            schedule(self._handler, self)

    def init(self, mode=-1, pull=-1, *, value=None, **options):
        if value is not None:
            self.value(value)

    def value(self, *value):
        if not value:
            return self._value
        self._value = 1 if value[0] else 0

    def __call__(self, *value):
        return self.value(*value)

    def on(self):
        self._value = 1

    def off(self):
        self._value = 0

    high = on
    low = off

    def toggle(self):
        self._value ^= 1

class LED:
    def __init__(self, id):
        self._id = id
        self._value = 0

    def on(self):
        self._value = 1

    def off(self):
        self._value = 0

    def toggle(self):
        self._value ^= 1

    def value(self, *value):
        if not value:
            return self._value
        self._value = 1 if value[0] else 0
`;

# Latched frame channel for OpenMV cameras (firmware 5.x).
#
# The host reads each JPEG from the channel `frame`. A frame stays latched until the host has released it, so nothing
# is overwritten in the middle of a read. JPEGs lie in buffers of their own: when the host begins to read one, the next is
# captured and compressed, and waits behind it. A slow host costs frames at the sensor, not memory.
#
# The channel `control` changes settings while it runs: the host writes a JSON request, ended by a newline, and
# reads the JSON reply. Requests are carried out by the main loop between captures.
#
# Run it from the OpenMV IDE, save it as main.py on the camera, or let openmv-bridge send it. What both channels
# understand is in firmware/README.md of openmv-bridge.
#
# A script of your own may import it, and look at each picture before it is compressed:
#
#     from frame_channel import frame, run
#
#     def look(image):
#         frame.tag({"mean": image.get_statistics().mean()})  # up to 1 KB of JSON, belongs to exactly this frame
#
#     run(look)
#
# openmv-bridge sends the module along with such a script. Without it, save this file on the camera as frame_channel.py.

import csi
import gc
import json
import protocol
import struct
import time

# Settings: change these, then run the script again.
PIXFORMAT = csi.RGB565  # or csi.GRAYSCALE
FRAMESIZE = csi.QVGA  # for example csi.QQVGA, csi.VGA, csi.HD
QUALITY = 85  # JPEG quality, 1 (small) to 100 (fine)
FRAMERATE = 0  # frames per second the sensor is limited to; 0: as fast as it can
CHANNEL = "frame"
BUFFERS = 2  # JPEGs kept at a time; 0: one, in the sensor's frame buffer
TRIGGERS = 4  # triggers that wait for their picture
MAX_WAIT_MS = 2000  # a JPEG that waited longer behind another is given up for a new one; None: never

EVENT_FRAME_READY = 0x0001
EVENT_SIZED = 0x8000  # a frame is ready, and the other bits say how many units of 32 bytes its window has
EVENT_REPLY_READY = 0x02

WINDOW = 0x20000000  # from this offset on: header, JPEG, padding
RELEASE = 0x30000000  # plus a frame's number: reading this byte releases that frame
RELEASED, RELEASED_BEFORE, UNKNOWN = b"\x01", b"\x02", b"\x00"
HEADER_SIZE = 32
DATA_LIMIT = 1024  # bytes of JSON behind a JPEG
TOO_LONG = 0xFFFF
TICKS_LIMIT = 0x1FFFFFFF  # milliseconds between two readings of the clock that can be told from each other: six days

REQUEST_LIMIT = 1024  # bytes of a control request
READ_GRACE_MS = 300  # a latched frame that no host has read for so long does not delay a change of settings

sensor = csi.CSI()
sensor.reset()
sensor.pixformat(PIXFORMAT)
sensor.framesize(FRAMESIZE)  # the firmware takes as many frame buffers as fit, at most three
if FRAMERATE:
    sensor.framerate(FRAMERATE)


class Slot:
    # One JPEG on its way to the host.
    buffer = None  # header, JPEG and padding; None: no memory for it yet
    room = 0  # bytes of `buffer`
    data = None  # where the JPEG is: `buffer`, or the sensor's frame buffer
    start = 0  # where it begins in `data`
    size = 0  # bytes of the JPEG
    extra = 0  # bytes of data behind it
    total = 0  # with header, data and padding; 0: it is in the frame buffer and has no window
    width = 0
    height = 0
    number = 0
    tick = 0  # when the sensor had it, in microseconds
    trigger = 0  # number of the trigger that it was captured for; 0: none
    ready_at = 0
    ancient = False  # older than the clock of milliseconds can tell


# The main loop fills a free slot and appends it to `ready`. The first one there is latched, until a channel's method
# releases it. The methods run at any jump of the main loop: what both change, they change in one step.
free = [Slot() for _ in range(max(1, BUFFERS))]
ready = []
begun = False  # the host has begun to read the latched frame
last = free[0]  # the slot filled last
sized = None  # the slot whose size the host has asked for
frame_number = 0  # counts captures, so that a host can tell a new frame from one it has read
skipped = 0  # captures that waited and were never latched
max_wait = MAX_WAIT_MS
used_at = 0  # when a frame was latched, or last read from
too_large = 0x3FFFFFFF if BUFFERS else 0  # so many bytes could not be allocated
data_lost = False  # the loss of a frame's data was told

MODES = ("free", "host", "pin")
mode = 0  # when pictures are taken: all the time, when the host writes a trigger's number, or on an edge of a pin
asked = None  # what the host has asked for
triggers = []  # numbers of those that wait
trigger_number = 0  # of the last one
trigger_pin = None


# How often the clock of microseconds began again since a capture; TOO_LONG: it cannot be told.
def turns(slot, now):
    age = time.ticks_diff(time.ticks_ms(), slot.ready_at)
    if slot.ancient or age < 0:
        return TOO_LONG
    if age < 60000:
        return 0
    return (age - ((now - slot.tick) & 0x3FFFFFFF) // 1000 + 536871) // 1073742


def longer(since, ms):
    return not 0 <= time.ticks_diff(time.ticks_ms(), since) <= ms


def release():
    global begun, sized, skipped, used_at
    free.append(ready.pop(0))
    begun = False
    sized = None
    used_at = time.ticks_ms()
    # A picture for a trigger is kept: there is no newer one.
    while ready and max_wait is not None and not mode and longer(ready[0].ready_at, max_wait):
        free.append(ready.pop(0))
        skipped = (skipped + 1) & 0x3FFFFFFF


def release_number(number):
    before = ((ready[0].number if ready else frame_number + 1) - number) & 0xFFFFFFF
    if before == 0 and ready:
        release()
        return RELEASED
    return RELEASED_BEFORE if 0 < before < 0x8000000 else UNKNOWN


class FrameChannel:
    # These methods run inside the main loop: they never touch the sensor.

    def poll(self):
        return len(ready) > 0

    def size(self):
        global sized
        if not ready:
            return 0
        sized = ready[0]
        return sized.size

    def shape(self):
        global sized
        if not ready:
            return (0, 0, 0, frame_number)
        sized = ready[0]
        return (sized.size, sized.width, sized.height, sized.number)

    # None: the host gets a NAK instead of bytes that are not this frame's.
    def readp(self, offset, size):
        global begun, used_at
        if offset >= RELEASE:
            return release_number(offset - RELEASE)
        if not ready:
            return None
        slot = ready[0]
        if offset >= WINDOW:
            start = offset - WINDOW
            end = start + size
            if end > slot.total:
                return None
            if start == 0:
                now = time.ticks_us()
                struct.pack_into(
                    "<IHHHH", slot.buffer, 20, now, slot.extra, turns(slot, now), skipped & 0xFFFF, slot.trigger
                )
            begun = True
            used_at = time.ticks_ms()
            return slot.buffer[start:end]
        # Without the window the last byte releases. Then the host asks for the size first: a READ that it repeats
        # does not get a part of the next frame.
        end = offset + size
        if slot is not sized or end > slot.size:
            return None
        begun = True
        used_at = time.ticks_ms()
        part = slot.data[slot.start + offset : slot.start + end]
        if end == slot.size:
            release()
        return part


    # A trigger's number: refused when too many wait. One that comes twice is the same.
    def write(self, offset, data):
        global trigger_number
        if mode != 1 or len(data) != 2:
            return 0
        number = data[0] | data[1] << 8
        if number != trigger_number:
            if len(triggers) >= TRIGGERS:
                return 0
            trigger_number = number
            triggers.append(number)
        return 2


# An edge of the pin. One for which there is no room is counted by its number, which no frame has.
def on_edge(pin):
    global trigger_number
    trigger_number = trigger_number % 65535 + 1
    if len(triggers) < TRIGGERS:
        triggers.append(trigger_number)


# `value`: the mode, a number of the run that asks, and for a pin its name and edge. The same once more changes nothing.
def set_trigger(value):
    global mode, asked, trigger_number, trigger_pin
    if value == asked:
        return
    wanted = MODES.index(value["mode"])
    if trigger_pin is not None:
        trigger_pin.irq(handler=None)
        trigger_pin = None
    mode = 0
    asked = None
    triggers.clear()
    trigger_number = 0
    if value.get("keep"):
        for slot in ready:
            slot.trigger = 0  # a number of another run
    else:
        give_up(0)  # what was captured for another purpose
    if wanted == 2:
        from machine import Pin

        rising = value["edge"] == "rising"
        pin = Pin(value["pin"], Pin.IN, Pin.PULL_DOWN if rising else Pin.PULL_UP)
        pin.irq(handler=on_edge, trigger=Pin.IRQ_RISING if rising else Pin.IRQ_FALLING)
        trigger_pin = pin
    mode = wanted
    asked = value


class Frame:
    # What a script says about a picture goes to the host with the picture.
    data = b""
    looking = False  # a script's own function looks at a picture: what fails in it is not for `go_back`

    # Attaches what JSON can say to the next frame, in place of what was attached to it before.
    def tag(self, value):
        self.data = b""
        data = json.dumps(value).encode()
        if len(data) > DATA_LIMIT:
            raise ValueError("frame.tag: %d bytes of JSON; a frame has room for %d" % (len(data), DATA_LIMIT))
        try:
            json.loads(data)
        except ValueError:
            raise ValueError("frame.tag: this is no JSON: %s" % data.decode()[:80])
        self.data = data

    def look(self, image, look):
        self.looking = True
        look(image)
        self.looking = False

    def take(self):
        data = self.data
        self.data = b""
        return data


frame = Frame()

# The control request and its reply. The channel's methods only copy; the main loop does the work.
request = bytearray(REQUEST_LIMIT)
request_size = 0
requested = False
reply = b""
reply_id = 0


class ControlChannel:
    def size(self):
        return len(reply)

    def shape(self):
        return (len(reply), reply_id, mode)

    def readp(self, offset, size):
        if offset + size > len(reply):
            return None
        return memoryview(reply)[offset : offset + size]

    def write(self, offset, data):
        global request_size, requested
        end = offset + len(data)
        if end > REQUEST_LIMIT or (offset > 0 and offset != request_size):
            return 0  # the host gets a NAK
        request[offset:end] = data
        request_size = end
        requested = request[end - 1] == 10  # a newline ends it
        return len(data)


# What has been set and cannot be asked of the sensor; None: as the sensor begins.
settings = {
    "quality": QUALITY,
    "brightness": None,
    "contrast": None,
    "saturation": None,
    "effect": None,
    "auto_exposure": None,
    "auto_gain": None,
    "auto_whitebalance": None,
}
balance = None  # RGB gains that automatic white balance had arrived at, in dB: colour temperatures start from them
trial = None  # a change that the next capture has to prove: (id, what to go back to)
pending = None  # a change of the frame's form that waits until the latched frame has been read: (id, values)
old_frames = 0  # frames of the sensor that may be older than the last change


def require(name):
    if not hasattr(sensor, name):
        raise ValueError("this camera's csi module has no such setting")
    return getattr(sensor, name)


def level(name, value):
    if require(name)(value) is False:
        raise ValueError("the sensor refused %s" % value)
    settings[name] = value


def set_effect(name):
    if require("special_effect")(getattr(csi, name)) is False:
        raise ValueError("the sensor refused it")
    settings["effect"] = name


# The firmware prints a warning instead of raising an error when a sensor has no such control. Reading the value
# back raises it.
def set_exposure(us):
    if us is None:
        sensor.auto_exposure(True)
    else:
        sensor.auto_exposure(False, exposure_us=us)
    sensor.exposure_us()
    settings["auto_exposure"] = us is None


def set_gain(db):
    if db is None:
        sensor.auto_gain(True)
    else:
        sensor.auto_gain(False, gain_db=db)
    sensor.gain_db()
    settings["auto_gain"] = db is None


def set_whitebalance(value):
    global balance
    now = sensor.rgb_gain_db()
    if value is None:
        sensor.auto_whitebal(True)
        settings["auto_whitebalance"] = True
        return
    if balance is None or settings["auto_whitebalance"] is not False:
        balance = now
    if "shift" in value:
        gains = [a + b for a, b in zip(balance, value["shift"])]
        least = min(gains)
        gains = [gain - min(0, least) for gain in gains]  # sensors amplify only
    else:
        gains = value["rgb"]
    sensor.auto_whitebal(False, rgb_gain_db=gains)
    settings["auto_whitebalance"] = False


def set_quality(value):
    keep_for_return(None)
    settings["quality"] = value


def set_ehdr(values):
    require("ehdr")(**values)


def set_max_wait(ms):
    global max_wait
    max_wait = None if ms is None else max(0, int(ms))


SETTERS = {
    "quality": set_quality,
    "framerate": lambda value: sensor.framerate(value),
    "exposure": set_exposure,
    "gain": set_gain,
    "whitebalance": set_whitebalance,
    "brightness": lambda value: level("brightness", value),
    "contrast": lambda value: level("contrast", value),
    "saturation": lambda value: level("saturation", value),
    "sharpness": lambda value: require("sharpness")(value),
    "gamma": lambda value: require("gamma")(value),
    "effect": set_effect,
    "mirror": lambda value: sensor.hmirror(value),
    "flip": lambda value: sensor.vflip(value),
    "ehdr": set_ehdr,
    "max_wait": set_max_wait,
}


def ask(question):
    try:
        return question()
    except Exception:
        return None  # the sensor does not say


def get_all():
    return {
        "pixformat": ask(sensor.pixformat),
        "width": sensor.width(),
        "height": sensor.height(),
        "framerate": ask(sensor.framerate),
        "exposure": {"auto": settings["auto_exposure"], "us": ask(sensor.exposure_us)},
        "gain": {"auto": settings["auto_gain"], "db": ask(sensor.gain_db)},
        "whitebalance": {"auto": settings["auto_whitebalance"], "rgb": ask(sensor.rgb_gain_db)},
        "quality": settings["quality"],
        "brightness": settings["brightness"],
        "contrast": settings["contrast"],
        "saturation": settings["saturation"],
        "effect": settings["effect"],
        "sharpness": ask(lambda: sensor.sharpness()),
        "gamma": ask(lambda: sensor.gamma()),
        "mirror": ask(sensor.hmirror),
        "flip": ask(sensor.vflip),
        "ehdr": ask(lambda: sensor.ehdr()),
        "max_wait": max_wait,
    }


def answer(id, values):
    global reply, reply_id
    values["id"] = id
    reply = json.dumps(values).encode()
    reply_id = id
    notify(control, EVENT_REPLY_READY)


def notify(target, event):
    try:
        target.send_event(event)
    except RuntimeError:
        pass  # no host listens: it finds out by polling when it comes


# What the camera goes back to when no frame can be captured with the settings wanted.
def keep_for_return(id):
    global trial
    if trial is None:
        size = ask(sensor.framesize)
        if size == 1:  # a size of the host's own, which csi takes as a pair
            size = (sensor.width(), sensor.height())
        trial = (id, sensor.pixformat(), size, settings["quality"])
    elif id is not None:
        trial = (id,) + trial[1:]


def set_form(id, values):
    keep_for_return(id)
    if "pixformat" in values:
        sensor.pixformat(getattr(csi, values["pixformat"]))
    if "framesize" in values:
        size = values["framesize"]
        sensor.framesize(getattr(csi, size) if isinstance(size, str) else tuple(size))


def go_back(error):
    global trial
    if trial is None:
        return False
    id, pixformat, framesize, quality = trial
    trial = None
    sensor.pixformat(pixformat)
    sensor.framesize(framesize)
    settings["quality"] = quality
    if id is None:
        print("The frame cannot be compressed; quality %d and the last frame size again: %s" % (quality, error))
    else:
        answer(id, {"errors": {"form": str(error)}})
    return True


def take_request():
    global requested, pending, old_frames
    text = bytes(request[:request_size])
    requested = False
    id = 0
    try:
        wanted = json.loads(text)
        id = wanted["id"]
        if "trigger" in wanted:
            set_trigger(wanted["trigger"])
            answer(id, {"trigger": MODES[mode]})
            return
        values = wanted.get("set", {})
        form = {name: values.pop(name) for name in ("pixformat", "framesize") if name in values}
        errors = {}
        for name, value in values.items():
            try:
                SETTERS[name](value)
            except KeyError:
                errors[name] = "this script has no such setting"
            except Exception as error:
                errors[name] = str(error)
        # What waits, and a frame that no host fetches, are older than the settings: the next one shows them. Before
        # the answer, for a host that has it may look at what is latched at once.
        if "get" not in wanted:
            if not mode:
                give_up(0 if waited_long() else 1)
            old_frames = sensor.framebuffers() - 1
        if errors:
            answer(id, {"errors": errors})
        elif form:
            pending = (id, form)
        elif "get" in wanted:
            answer(id, {"values": get_all()})
        else:
            answer(id, {})
    except Exception as error:
        answer(id if isinstance(id, int) else 0, {"errors": {"request": repr(error)}})


def waited_long():
    return longer(used_at, READ_GRACE_MS)


# Gives up the frames of `ready` from that place on: they are older than a change of settings.
def give_up(first):
    global begun, sized, skipped
    dropped = ready[first:]
    del ready[first:]  # in one step with the line above: no jump is between them
    if not ready:
        begun = False
        sized = None
    free.extend(dropped)
    skipped = (skipped + len(dropped)) & 0x3FFFFFFF


def take_pending():
    global pending
    id, values = pending
    pending = None
    give_up(0)
    try:
        set_form(id, values)
    except Exception as error:
        go_back(error)


# Copies a JPEG out of the frame buffer, so that the sensor can go on. Where there is no memory for that, it stays
# there, without its data, and the sensor waits until it is released.
def keep(slot, jpeg, data):
    global too_large, data_lost
    size = len(jpeg)
    total = (HEADER_SIZE + size + len(data) + 31) & ~31
    if slot.room < total < too_large:
        slot.buffer = slot.data = None
        slot.room = 0
        gc.collect()
        try:
            slot.buffer = memoryview(bytearray(total + total // 4))
            slot.room = len(slot.buffer)
        except MemoryError:
            too_large = total
    slot.size = size
    if slot.room < total:
        slot.data, slot.start, slot.extra, slot.total = memoryview(jpeg), 0, 0, 0
        if data and not data_lost:
            data_lost = True
            print("What frame.tag attached to a frame is lost: there is no memory for a buffer of %d bytes." % total)
    else:
        slot.data, slot.start, slot.extra, slot.total = slot.buffer, HEADER_SIZE, len(data), total
        end = HEADER_SIZE + size
        slot.buffer[HEADER_SIZE:end] = jpeg
        slot.buffer[end : end + len(data)] = data


def capture(look):
    global frame_number, last, used_at, trial, old_frames
    frame.looking = False
    trigger = triggers[0] if mode and triggers else 0
    if mode and sensor.framebuffers() > 1:
        sensor.framebuffers(1)  # the picture begins after the trigger: with more there is one that is older
        old_frames = 0
    while old_frames > 0:
        sensor.snapshot()
        old_frames -= 1
    image = sensor.snapshot()
    tick = time.ticks_us()
    if look is not None:
        frame.look(image, look)
    data = frame.take()
    slot = free[0]
    slot.tick = tick
    slot.trigger = trigger
    slot.ancient = False
    slot.width = image.width()
    slot.height = image.height()
    if trial is not None and trial[0] is not None:
        answer(trial[0], {"width": slot.width, "height": slot.height})
        trial = (None,) + trial[1:]
    image.compress(quality=settings["quality"])
    trial = None
    if mode and not trigger:
        return  # no one has asked for this one: it proves a change of the frame's form
    keep(slot, image.bytearray(), data)
    frame_number = slot.number = (frame_number + 1) & 0x3FFFFFFF
    slot.ready_at = time.ticks_ms()
    event = EVENT_FRAME_READY
    if slot.total > 0:
        struct.pack_into(
            "<4sIHHII", slot.buffer, 0, b"OMF1", slot.size, slot.width, slot.height, slot.number, tick
        )
        if slot.total >> 5 < 0x7FFF:
            event = EVENT_SIZED | slot.total >> 5
    if not ready:
        used_at = slot.ready_at
    if trigger:
        triggers.pop(0)
    last = free.pop(0)
    ready.append(slot)
    notify(channel, event)


# A host that finds the frame channel finds the other one as well.
control = protocol.register(name="control", backend=ControlChannel())
channel = protocol.register(name=CHANNEL, backend=FrameChannel())


# Captures until the script is stopped. `look` is called with each picture, before it is compressed.
def run(look=None):
    while True:
        if requested and pending is None:
            take_request()
        if pending is not None and (not ready or waited_long()):
            take_pending()
        # The next capture needs a slot and the frame buffer. It begins with the reading of the frame before it, so that a frame
        # that no host reads has no second one behind it, or with a trigger.
        held = last.total == 0 and last not in free
        proving = trial is not None and trial[0] is not None
        idle = not triggers and not proving if mode else ready and not begun
        if pending is not None or not free or held or idle:
            if longer(used_at, 2):  # while a host reads, a millisecond is much
                time.sleep_ms(1)
                for slot in ready:
                    slot.ancient = slot.ancient or longer(slot.ready_at, TICKS_LIMIT)
            continue
        try:
            capture(look)
        except Exception as error:
            if isinstance(error, MemoryError) and sensor.framebuffers() > 1:
                sensor.framebuffers(1)  # leaves memory for compressing
            elif frame.looking or not go_back(error):
                raise


if __name__ == "__main__":
    run()

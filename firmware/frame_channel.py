# Latched frame channel for OpenMV cameras (firmware 5.x).
#
# The host reads each JPEG from the channel `frame`. A frame stays latched, in the sensor's own frame buffer,
# until its last byte has been read; only then is the next one captured. So nothing is overwritten in the
# middle of a read, and a slow host costs frames at the sensor, not memory.
#
# The channel `control` changes settings while it runs: the host writes a JSON request, ended by a newline, and
# reads the JSON reply. Requests are carried out by the main loop between captures.
#
# Run it from the OpenMV IDE, save it as main.py on the camera, or let openmv-bridge send it.

import csi
import json
import protocol
import time

# Settings: change these, then run the script again.
PIXFORMAT = csi.RGB565  # or csi.GRAYSCALE
FRAMESIZE = csi.QVGA  # for example csi.QQVGA, csi.VGA, csi.HD
QUALITY = 85  # JPEG quality, 1 (small) to 100 (fine)
FRAMERATE = 0  # frames per second the sensor is limited to; 0: as fast as it can
CHANNEL = "frame"

EVENT_FRAME_READY = 0x01
EVENT_REPLY_READY = 0x02

REQUEST_LIMIT = 1024  # bytes of a control request
READ_GRACE_MS = 300  # a latched frame that no host has read for so long does not delay a change of settings

sensor = csi.CSI()
sensor.reset()
sensor.pixformat(PIXFORMAT)
sensor.framesize(FRAMESIZE)
sensor.framebuffers(1)  # one buffer: the latched frame is the buffer
if FRAMERATE:
    sensor.framerate(FRAMERATE)

# The latched frame. Written by the main loop while nothing is latched, read by the channel's methods.
frame = None  # memoryview of the JPEG in the frame buffer
frame_size = 0
frame_width = 0
frame_height = 0
frame_number = 0  # counts captures, so that a host can tell a new frame from one it has read
latched = False
used_at = 0  # when it was latched, or last read from


class FrameChannel:
    # These methods run inside the main loop's sleep or snapshot: they never touch the sensor.

    def poll(self):
        return latched

    def size(self):
        return frame_size if latched else 0

    def shape(self):
        return (frame_size if latched else 0, frame_width, frame_height, frame_number)

    def readp(self, offset, size):
        global latched, used_at
        end = offset + size
        if not latched or end > frame_size:
            return None  # the host gets a NAK instead of bytes that are not this frame's
        part = frame[offset:end]
        used_at = time.ticks_ms()
        if end == frame_size:
            latched = False  # the last byte is on its way: the main loop may capture the next frame
        return part


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
        return (len(reply), reply_id)

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
    global frame
    keep_for_return(id)
    frame = None  # its buffer is about to change
    if "pixformat" in values:
        sensor.pixformat(getattr(csi, values["pixformat"]))
    if "framesize" in values:
        size = values["framesize"]
        sensor.framesize(getattr(csi, size) if isinstance(size, str) else tuple(size))
    sensor.framebuffers(1)


def go_back(error):
    global trial
    if trial is None:
        return False
    id, pixformat, framesize, quality = trial
    trial = None
    sensor.pixformat(pixformat)
    sensor.framesize(framesize)
    sensor.framebuffers(1)
    settings["quality"] = quality
    if id is None:
        print("The frame cannot be compressed; quality %d and the last frame size again: %s" % (quality, error))
    else:
        answer(id, {"errors": {"form": str(error)}})
    return True


def take_request():
    global requested, pending, latched
    text = bytes(request[:request_size])
    requested = False
    id = 0
    try:
        wanted = json.loads(text)
        id = wanted["id"]
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
        # A frame that no host fetches is older than the settings: the next one shows them. Before the answer, for
        # a host that has it may look at what is latched at once.
        if "get" not in wanted and latched and waited_long():
            latched = False
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
    return time.ticks_diff(time.ticks_ms(), used_at) > READ_GRACE_MS


def take_pending():
    global pending, latched
    id, values = pending
    pending = None
    latched = False
    try:
        set_form(id, values)
    except Exception as error:
        go_back(error)


def capture():
    global frame, frame_size, frame_width, frame_height, frame_number, latched, used_at, trial
    image = sensor.snapshot()
    frame_width = image.width()
    frame_height = image.height()
    if trial is not None and trial[0] is not None:
        answer(trial[0], {"width": frame_width, "height": frame_height})
        trial = (None,) + trial[1:]
    image.compress(quality=settings["quality"])
    trial = None
    frame = memoryview(image.bytearray())
    frame_size = len(frame)
    frame_number = (frame_number + 1) & 0x3FFFFFFF
    used_at = time.ticks_ms()
    latched = True
    notify(channel, EVENT_FRAME_READY)


# A host that finds the frame channel finds the other one as well.
control = protocol.register(name="control", backend=ControlChannel())
channel = protocol.register(name=CHANNEL, backend=FrameChannel())

while True:
    if requested and pending is None:
        take_request()
    if pending is not None and (not latched or waited_long()):
        take_pending()
    if latched:
        time.sleep_ms(1)
        continue
    try:
        capture()
    except Exception as error:
        if not go_back(error):
            raise

/** The module `csi` (vendor: modules/py_csi_ng.c, common/omv_csi.c) in front of one virtual sensor. */
import { INTERRUPTED } from '../codes.js';
import { CSI_CONSTANTS, SENSOR_ID } from './csi-constants.js';

export const CSI_MODULE = `
import _vcam
from _board import words
from image import Image

${CSI_CONSTANTS}

_ERRORS = (
    "No error.",
    "Sensor control failed.",
    "The requested operation is not supported by the image sensor.",
    "Failed to detect the image sensor or image sensor is detached.",
    "The detected image sensor is not supported.",
    "Failed to initialize the image sensor.",
    "Failed to initialize the external clock.",
    "Failed to initialize the CSI DMA.",
    "Failed to initialize the CSI interface.",
    "An low level I/O error has occurred.",
    "Frame capture has failed.",
    "Frame capture has timed out.",
    "Frame size is not supported or is not set.",
    "Pixel format is not supported or is not set.",
    "Window is not supported or is not set.",
    "Frame rate is not supported or is not set.",
    "An invalid argument is used.",
    "The requested operation is not supported on the current pixel format.",
    "Frame buffer error.",
    "Frame buffer overflow, try reducing the frame size.",
    "JPEG frame buffer overflow.",
    "The requested operation would block.",
)
_WOULD_BLOCK = -21

NORMAL = 0
NEGATIVE = 1

_get = _vcam.csi_get
_set = _vcam.csi_set
_window = _vcam.csi_window
_snapshot = _vcam.snapshot
_frame = Image()

def _check(code):
    while code == ${INTERRUPTED}:
        pass  # here the interrupt is raised
    if code < 0:
        raise RuntimeError(_ERRORS[-code])
    return code

def _without_effect(*args):
    return False

_EHDR = ("enable", "exposure_min", "exposure_max", "ratio_min", "ratio_max")

def devices():
    return [${SENSOR_ID}]

class CSI:
    def __init__(self, *, cid=-1, delays=True, fflush=True, stream=None):
        if cid != -1 and cid != ${SENSOR_ID}:
            raise RuntimeError(_ERRORS[3])

    def __repr__(self):
        return "CSI {\\n  Name                : OV5640\\n  Chip ID             : 0x%04X\\n}\\n" % ${SENSOR_ID}

    def reset(self, *, hard=True):
        _set("reset", 0, 0)

    def shutdown(self, enable):
        _set("shutdown", 1 if enable else 0, 0)

    def sleep(self, enable):
        _set("sleep", 1 if enable else 0, 0)

    def flush(self):
        _set("flush", 0, 0)

    def readable(self):
        return bool(_get("readable"))

    def cid(self):
        return ${SENSOR_ID}

    def width(self):
        return _get("width")

    def height(self):
        return _get("height")

    def pixformat(self, *value):
        if not value:
            return _get("pixformat") or _check(-13)
        _check(_set("pixformat", value[0] | 0, 0))

    def framesize(self, *value):
        if not value:
            return _get("framesize") or _check(-12)
        size = value[0]
        if isinstance(size, int):
            _check(_set("framesize", size, 0))
        elif isinstance(size, tuple):
            if len(size) != 2:
                raise ValueError("requested length 2 but object has length %d" % len(size))
            _check(_set("custom", size[0] | 0, size[1] | 0))
        else:
            _check(-16)

    def framerate(self, *value):
        if not value:
            return _get("framerate") or _check(-15)
        _check(_set("framerate", value[0] | 0, 0))

    def framebuffers(self, *value):
        if not value:
            return _get("framebuffers")
        _check(_set("framebuffers", value[0] | 0, 0))

    def window(self, *value):
        if not _get("framesize"):
            _check(-12)
        if not value:
            return (_get("x"), _get("y"), _get("w"), _get("h"))
        roi = tuple(value[0])
        width = _get("width")
        height = _get("height")
        if len(roi) == 2:
            w, h = roi
            x = width // 2 - w // 2
            y = height // 2 - h // 2
        elif len(roi) == 4:
            x, y, w, h = roi
        else:
            raise ValueError("Expected (w, h) or (x, y, w, h) tuple/list.")
        if w < 1 or h < 1:
            raise ValueError("Invalid ROI dimensions!")
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise ValueError("ROI does not overlap on the image!")
        right = min(x + w, width)
        bottom = min(y + h, height)
        x = max(x, 0)
        y = max(y, 0)
        _check(_window(x, y, right - x, bottom - y))

    def brightness(self, level):
        return _set("brightness", level | 0, 0) >= 0

    def contrast(self, level):
        return _set("contrast", level | 0, 0) >= 0

    def saturation(self, level):
        return _set("saturation", level | 0, 0) >= 0

    def quality(self, quality):
        if quality < 0 or quality > 100:
            raise OSError("Operation not supported")
        return _set("quality", quality | 0, 0) >= 0

    def hmirror(self, *value):
        if not value:
            return bool(_get("hmirror"))
        _set("hmirror", 1 if value[0] else 0, 0)

    def vflip(self, *value):
        if not value:
            return bool(_get("vflip"))
        _set("vflip", 1 if value[0] else 0, 0)

    def auto_exposure(self, enable, *, exposure_us=-1):
        _set("exposure", 1 if enable else 0, exposure_us | 0)

    def exposure_us(self):
        return _get("exposure")

    def auto_gain(self, enable, *, gain_db=None, gain_db_ceiling=None):
        if gain_db is None:
            gain_db = _get("gain")
        _set("gain", 1 if enable else 0, float(gain_db))

    def gain_db(self):
        return float(_get("gain"))

    def auto_whitebal(self, enable, *, rgb_gain_db=None):
        if rgb_gain_db is not None:
            if len(rgb_gain_db) != 3:
                raise ValueError("requested length 3 but object has length %d" % len(rgb_gain_db))
            if not enable:
                _set("red", 0, float(rgb_gain_db[0]))
                _set("green", 0, float(rgb_gain_db[1]))
                _set("blue", 0, float(rgb_gain_db[2]))
        _set("balance", 1 if enable else 0, 0)

    def rgb_gain_db(self):
        return (float(_get("red")), float(_get("green")), float(_get("blue")))

    def ioctl(self, request, *args):
        _check(-2)

    def gainceiling(self, ceiling):
        if ceiling not in (2, 4, 8, 16, 32, 64, 128):
            _check(-16)
        return ceiling < 64

    def special_effect(self, effect):
        return _set("effect", effect | 0, 0) >= 0

    # No sensor of the vendor's has the following three: they are here so that hosts can try them.
    def sharpness(self, *level):
        if not level:
            return _get("sharpness")
        _check(_set("sharpness", level[0] | 0, 0))

    def gamma(self, *value):
        if not value:
            return float(_get("gamma"))
        _check(_set("gamma", 0, float(value[0])))

    def ehdr(self, **values):
        wanted = {}
        for name in _EHDR:
            wanted[name] = int(values.pop(name)) if name in values else _get("ehdr_" + name)
        if values:
            raise TypeError("unexpected argument '%s'" % list(values)[0])
        for name in ("exposure", "ratio"):
            low, high = wanted[name + "_min"], wanted[name + "_max"]
            if low < 1 or high > (4 if name == "exposure" else 128):
                _check(-16)
            if low > high:
                raise ValueError("%s_min is above %s_max" % (name, name))
        for name in _EHDR:
            _set("ehdr_" + name, wanted[name], 0)
        wanted["enable"] = bool(wanted["enable"])
        return wanted

    colorbar = _without_effect
    lens_correction = _without_effect

    def snapshot(self, *, time=-1, frames=-1, blocking=True, image=None):
        if image is not None:
            raise OSError("Operation not supported")
        if time == -1 and frames == -1:
            code = _snapshot(1 if blocking else 0)
            if code < 0:
                if code == _WOULD_BLOCK:
                    return None
                _check(code)
            return _frame._set(words[0], words[1], words[2], words[3], words[4], code)
        start = _get("ticks")
        while time != -1 or frames != -1:
            if frames != -1:
                frames -= 1
                if frames < -1:
                    break
            if time != -1 and _get("ticks") - start > time:
                break
            _check(_snapshot(1))
`;

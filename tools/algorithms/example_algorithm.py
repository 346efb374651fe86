#!/usr/bin/env python3
"""An example algorithm: looks at each picture's JPEG and says OK or NG. Python 3.9 or newer, nothing to install.

    openmv-bridge --port virtual -- python3 example_algorithm.py

The rule needs no image decoding: a picture of the same scene takes about the same number of bytes each time. One that
takes far more or far fewer shows something else (a covered lens, no light, a part that is missing), and is NG.
"""

import json
import os
import re
import sys
import tempfile
import time

# A picture is NG when its size in bytes is more than this share away from the running mean. The user parameter
# "max_deviation" goes before it. 1.35 % suits the steady scene of the virtual camera: about one of its pictures in 24
# is NG. Pictures of a real camera vary more; begin with 0.1.
MAX_DEVIATION = 0.0135
# How much one picture moves the mean: about the last 1 / WEIGHT pictures count.
WEIGHT = 0.1
# Pictures of a camera that only teach the mean, and are OK.
WARM_UP = 5

# The longest message either side may send.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024

# stdout carries messages and nothing else. They get a copy of it, and stdout itself becomes stderr: a stray print() then
# lands in the log instead of breaking the protocol.
messages_out = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


class ImageError(Exception):
    """The picture cannot be judged; there must be no verdict about it."""


# --- messages: a 4-byte big-endian length, then JSON -------------------------------------------------------------


def now_ms():
    return int(time.time() * 1000)


def send(message):
    # allow_nan=False: NaN is not JSON, and the other side would refuse the message.
    body = json.dumps(message, ensure_ascii=False, allow_nan=False).encode("utf-8")
    messages_out.write(len(body).to_bytes(4, "big") + body)
    messages_out.flush()


def receive():
    """The next message, or None at the end of the input."""
    prefix = sys.stdin.buffer.read(4)
    if len(prefix) < 4:
        return None
    length = int.from_bytes(prefix, "big")
    if not 0 < length <= MAX_MESSAGE_BYTES:
        raise ValueError("a message of %d bytes" % length)
    body = sys.stdin.buffer.read(length)
    return json.loads(body.decode("utf-8")) if len(body) == length else None


def log(level, message, **fields):
    record = {"level": level, "timestamp_ms": now_ms(), "message": message, **fields}
    print(json.dumps(record, ensure_ascii=False), file=sys.stderr, flush=True)


# --- pictures ----------------------------------------------------------------------------------------------------


def read_picture(image_id):
    """The JPEG's bytes. The file's name is the id with every other character than these replaced."""
    directory = os.environ.get("PROC_SHM_DIR") or os.path.join(tempfile.gettempdir(), "procvision_dev_shm")
    path = os.path.join(directory, re.sub(r"[^a-zA-Z0-9._-]", "_", image_id) + ".bin")
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ImageError("the image %s cannot be read: %s" % (image_id, error.strerror)) from error


def jpeg_size(data):
    """Width and height out of a JPEG's header; makes sure that the picture is whole."""
    if data[:2] != b"\xff\xd8":
        raise ImageError("the image does not begin as a JPEG does (SOI)")
    if data.rstrip(b"\0")[-2:] != b"\xff\xd9":
        raise ImageError("the image ends before its end marker (EOI): it is truncated")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte before a marker
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            at += 2
            continue
        if marker in (0xD9, 0xDA):  # the end, or pixels before any frame header
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # SOFn
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ImageError("the image has no JPEG frame header (SOF)")


# --- the rule ----------------------------------------------------------------------------------------------------


class Inspector:
    """Remembers what the pictures of each camera and format usually take."""

    def __init__(self):
        self.means = {}

    def inspect(self, data, meta, max_deviation):
        width, height = jpeg_size(data)
        if (width, height) != (meta.get("width"), meta.get("height")):
            raise ImageError(
                "the image has %dx%d pixels, but %sx%s were announced"
                % (width, height, meta.get("width"), meta.get("height"))
            )
        key = (meta.get("camera_id"), width, height)
        seen, mean = self.means.get(key, (0, float(len(data))))
        deviation = len(data) / mean - 1
        self.means[key] = (seen + 1, mean + WEIGHT * (len(data) - mean))

        debug = {"bytes": len(data), "mean_bytes": round(mean), "deviation": round(deviation, 4)}
        if seen < WARM_UP or abs(deviation) <= max_deviation:
            return {"result_status": "OK", "defect_rects": [], "debug": debug}
        reason = "%d bytes, %.1f %% %s than the mean of %d" % (
            len(data),
            abs(deviation) * 100,
            "more" if deviation > 0 else "fewer",
            round(mean),
        )
        # The rule sees the picture as a whole, and so does the rectangle.
        rect = {"x": 0, "y": 0, "width": width, "height": height, "label": "size", "score": debug["deviation"]}
        return {"result_status": "NG", "ng_reason": reason, "defect_rects": [rect], "debug": debug}


# --- calls -------------------------------------------------------------------------------------------------------


def answer(inspector, message):
    """The answer to one call, in whichever form the fields came: under data, under payload, or beside type."""
    fields = {**message, **(message.get("payload") or {}), **(message.get("data") or {})}
    step_index = fields.get("step_index") or 1
    reply = {"type": "result", "request_id": message.get("request_id"), "status": "OK", "message": ""}
    try:
        if fields.get("phase") == "pre" or fields.get("method") == "pre_execute":
            data = {"calibration_rects": []}
        else:
            image_id = fields.get("guide_image_shm_id") or fields.get("shared_mem_id")
            meta = fields.get("guide_image_meta") or fields.get("image_meta") or {}
            if not image_id:
                raise ImageError("the call names no image")
            params = fields.get("user_params") or {}
            max_deviation = float(params.get("max_deviation", MAX_DEVIATION))
            data = inspector.inspect(read_picture(image_id), meta, max_deviation)
        reply["data"] = {"step_index": step_index, **data}
    except ImageError as error:
        log("error", str(error))
        reply.update(status="ERROR", message=str(error), error_code="1002", data={"step_index": step_index})
    except Exception as error:  # the adapter outlives whatever the algorithm does
        log("error", repr(error))
        reply.update(status="ERROR", message=repr(error), error_code="1009", data={"step_index": step_index})
    return {**reply, "timestamp_ms": now_ms()}


def main():
    inspector = Inspector()
    send(
        {
            "type": "hello",
            "sdk_version": "example",
            "timestamp_ms": now_ms(),
            "capabilities": ["ping", "call", "shutdown", "shared_memory:v1", "execute"],
        }
    )
    log("info", "ready", max_deviation=MAX_DEVIATION)
    while True:
        message = receive()
        if message is None:
            return
        kind = message.get("type")
        if kind == "call":
            send(answer(inspector, message))
        elif kind == "ping":
            pong = {"type": "pong", "request_id": message.get("request_id"), "timestamp_ms": now_ms(), "status": "OK"}
            send(pong)
        elif kind == "shutdown":
            send({"type": "shutdown", "timestamp_ms": now_ms(), "status": "OK"})
            return


if __name__ == "__main__":
    main()

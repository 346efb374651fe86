# Latched frame channel for OpenMV cameras (firmware 5.x).
#
# The host reads each JPEG from the channel `frame`. A frame stays latched, in the sensor's own frame buffer,
# until its last byte has been read; only then is the next picture taken. So nothing is overwritten in the
# middle of a read, and a slow host costs frames at the sensor, not memory.
#
# Run it from the OpenMV IDE, save it as main.py on the camera, or let openmv-bridge send it.

import csi
import protocol
import time

# Settings: change these, then run the script again.
PIXFORMAT = csi.RGB565  # or csi.GRAYSCALE
FRAMESIZE = csi.QVGA  # for example csi.QQVGA, csi.VGA, csi.HD
QUALITY = 85  # JPEG quality, 1 (small) to 100 (fine)
FRAMERATE = 0  # frames per second the sensor is limited to; 0: as fast as it can
CHANNEL = "frame"

EVENT_FRAME_READY = 0x01

sensor = csi.CSI()
sensor.reset()
sensor.pixformat(PIXFORMAT)
sensor.framesize(FRAMESIZE)
sensor.framebuffers(1)  # one buffer: the latched picture is the buffer
if FRAMERATE:
    sensor.framerate(FRAMERATE)

# The latched frame. Written by the main loop while nothing is latched, read by the channel's methods.
frame = None  # memoryview of the JPEG in the frame buffer
frame_size = 0
frame_width = 0
frame_height = 0
frame_number = 0  # counts captures, so that a host can tell a new frame from one it has read
latched = False


class FrameChannel:
    # These methods run inside the main loop's sleep or snapshot: they never touch the sensor.

    def poll(self):
        return latched

    def size(self):
        return frame_size if latched else 0

    def shape(self):
        return (frame_size if latched else 0, frame_width, frame_height, frame_number)

    def readp(self, offset, size):
        global latched
        end = offset + size
        if not latched or end > frame_size:
            return None  # the host gets a NAK instead of bytes that are not this frame's
        part = frame[offset:end]
        if end == frame_size:
            latched = False  # the last byte is on its way: the main loop may take the next picture
        return part


channel = protocol.register(name=CHANNEL, backend=FrameChannel())

while True:
    if latched:
        time.sleep_ms(1)
        continue
    image = sensor.snapshot()
    frame_width = image.width()
    frame_height = image.height()
    image.compress(quality=QUALITY)
    frame = memoryview(image.bytearray())
    frame_size = len(frame)
    frame_number = (frame_number + 1) & 0x3FFFFFFF
    latched = True
    try:
        channel.send_event(EVENT_FRAME_READY)
    except RuntimeError:
        pass  # no host listens: it finds the frame by polling when it comes

# Finds blobs of a colour and attaches them to their frame: the host gets them with exactly that frame, as `frame.data`,
# in the JSON lines, and in the image_meta of its algorithm.
#
#   openmv-bridge --script blobs.py --json
#
# openmv-bridge sends the module frame_channel along. In the OpenMV IDE, save firmware/frame_channel.py on the camera first.

from frame_channel import frame, run, sensor
import csi

# Least and most of L, A and B (the IDE: Tools, Machine Vision, Threshold Editor). These are for brass.
THRESHOLDS = [(40, 95, -10, 25, 18, 70)]
MOST = 12  # a frame has room for 1 KB of JSON

sensor.framesize(csi.QVGA)


def look(image):
    blobs = image.find_blobs(THRESHOLDS, pixels_threshold=150, area_threshold=150, merge=True)
    blobs = sorted(blobs, key=lambda blob: -blob[4])[:MOST]
    frame.tag({"blobs": [{"rect": list(blob[0:4]), "pixels": blob[4], "center": list(blob[5:7])} for blob in blobs]})


run(look)

# Takes pictures, and no more: the firmware's own preview brings them to the host, as it brings them to the OpenMV IDE.
# A script needs nothing for that. Put what you do with a picture where the comment is.
#
#   openmv-bridge --source preview --script preview_only.py

import csi
import time

sensor = csi.CSI()
sensor.reset()
sensor.pixformat(csi.RGB565)  # or csi.GRAYSCALE
sensor.framesize(csi.QVGA)  # for example csi.QQVGA, csi.VGA, csi.HD
sensor.snapshot(time=2000)  # lets exposure and white balance settle

clock = time.clock()
while True:
    clock.tick()
    image = sensor.snapshot()
    # Find things in the image, and draw them on it: the preview is made of it when the next one is taken.

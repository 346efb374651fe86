#!/usr/bin/env python3
"""Shows the frames of a running bridge. Usage: example.py [NAME] [COUNT]

NAME is a segment such as /openmv_frame (the default), a ring, or an array such as /cam_image. After COUNT frames
it stops; without COUNT it goes on, over the life of any number of bridges.
"""

import signal
import sys
import zlib
from typing import Optional

import openmv_shm


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "/openmv_frame"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else None
    # Ctrl-C, and a reader of its output that has gone, end it without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        show(name, count)
    except openmv_shm.ShmError as error:
        sys.exit(str(error))


def show(name: str, count: Optional[int]) -> None:
    with openmv_shm.open(name, timeout=10) as shm:
        for index, frame in enumerate(shm.frames(), start=1):
            print(
                f"{frame.sequence} {frame.format} {frame.width}x{frame.height} {len(frame.data)} "
                f"crc32={zlib.crc32(frame.data):08x} missed={frame.missed}",
                flush=True,
            )
            if index == count:
                break


if __name__ == "__main__":
    main()

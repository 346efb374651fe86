"""A reader for the shared-memory benchmark, as shm-reader.cpp. Usage: shm-reader.py shm|poll NAME

poll: Python's multiprocessing.shared_memory and a look every millisecond, as it is usually done.
"""

import json
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))
import openmv_shm  # noqa: E402

mode, name = sys.argv[1:]
times = []


def library():
    with openmv_shm.open(name, 10) as shm:
        shm.next(0)
        print("ready", flush=True)
        while True:
            frame = shm.next(10)
            times.append((time.monotonic_ns() - frame.timestamp_ns) / 1e3)
            if frame.height == 2:
                return


def polling():
    from multiprocessing import resource_tracker
    from multiprocessing.shared_memory import SharedMemory

    shm = SharedMemory(name[1:])
    # It takes what it has opened for its own, and would remove it.
    resource_tracker.unregister(shm._name, "shared_memory")
    last = struct.unpack_from("=I", shm.buf, 32)[0]
    print("ready", flush=True)
    while True:
        before = struct.unpack_from("=I", shm.buf, 36)[0]
        _, _, height, _, size, stamp, sequence, _ = struct.unpack_from("=5I4xQII", shm.buf, 0)
        if before & 1 or sequence == last:
            time.sleep(0.001)
            continue
        bytes(shm.buf[128 : 128 + size])
        if struct.unpack_from("=I", shm.buf, 36)[0] != before:
            continue
        last = sequence
        times.append((time.monotonic_ns() - stamp) / 1e3)
        if height == 2:
            shm.close()
            return


library() if mode == "shm" else polling()
times = sorted(times[:-1])
shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
print(json.dumps({name: times[int(share * (len(times) - 1))] for name, share in shares.items()} | {"frames": len(times)}))

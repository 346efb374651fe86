"""Frames of a camera from a NATS server: `python3 nats_example.py nats://HOST:4222 CAMERA [SITE]`.

Needs `pip install nats-py`. A bridge publishes the frames: `openmv-bridge --port auto --nats nats://HOST:4222`.
Credentials, TLS: the options of nats.connect, such as user=, password=, user_credentials=, tls=.
"""

import asyncio
import sys
import zlib

import nats


async def frames(url, camera, site="local"):
    """Each frame as (headers, jpeg), checked; the oldest give way while the loop is busy."""
    connection = await nats.connect(url, max_reconnect_attempts=-1)
    newest = asyncio.Queue(maxsize=8)

    async def take(message):
        if newest.full():
            newest.get_nowait()
        newest.put_nowait(message)

    try:
        await connection.subscribe(f"openmv.{site}.{camera}.frame", cb=take)
        while True:
            message = await newest.get()
            if f"{zlib.crc32(message.data):08x}" == message.headers["Crc32"]:
                yield message.headers, message.data
    finally:
        await connection.close()


async def main(url, camera, site="local"):
    async for headers, jpeg in frames(url, camera, site):
        print(headers["Sequence"], f"{headers['Width']}x{headers['Height']}", len(jpeg), headers["Crc32"], flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass

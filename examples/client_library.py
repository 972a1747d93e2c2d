"""The client as a library: sends a few pictures, and prints what the server finds in each of them.

python examples/client_library.py localhost:5001
"""

import asyncio
import sys
import time

import numpy as np

from framewire.client import Client, ClientOptions
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.model.publish import to_json


# region: main
async def main(address: str) -> None:
    video_format = VideoFormat(Encoding.RAW, 320, 180, PixelFormat.RGB24)
    options = ClientOptions(shared_memory_bytes=4 << 20, in_flight=4)

    async with Client(address, video_format, options) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(send_pictures(client))
        async for result in client:
            print(to_json(result.timestamp, result.inferences))
            print(f"frame {result.sequence_number} is answered", file=sys.stderr)


async def send_pictures(client: Client) -> None:
    for brightness in (10, 250, 10):
        picture = np.full((180, 320, 3), brightness, np.uint8)
        await client.send(picture, timestamp=round(time.time() * 90_000))
    await client.finish()


# endregion: main


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

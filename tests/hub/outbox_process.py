"""A publisher that can be killed. Publishes events named 0, 1, 2, ... and says how many are in its outbox.

python tests/hub/outbox_process.py ADDRESS FOLDER FIRST COUNT
"""

import asyncio
import sys
from pathlib import Path

from framewire.hub import Envelope, open_publisher
from framewire.model.inference import Event


async def main(address: str, folder: str, first: str, count: str) -> None:
    publisher = open_publisher(address, outbox_folder=Path(folder), note=lambda text: None)
    await publisher.open()
    envelope = Envelope("avaedge", "p")
    for number in range(int(first), int(first) + int(count)):
        publisher.publish(envelope.inference("n", "o", number, [Event(str(number))]))
        while publisher._unstored or publisher._storing:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0)
        print(number, flush=True)
    print("all", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))

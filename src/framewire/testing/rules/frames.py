"""Rules of bad frames: one frame is lost, not the session (contract, sections 3 and 9)."""

from __future__ import annotations

from collections.abc import Mapping

from framewire.errors import FramewireError
from framewire.model.format import Encoding, VideoFormat
from framewire.testing.probe import Probe
from framewire.testing.rules.answer import send_all
from framewire.testing.rules.picture import BLACK, HEIGHT, JPEG, RGB24, WHITE, WIDTH, encoded, raw
from framewire.testing.rules.rule import Verdict, failed, passed, rule


@rule("torn-jpeg", section="9")
async def torn_jpeg(probe: Probe) -> Verdict:
    """A torn JPEG is acknowledged, and the session goes on."""
    good = encoded(Encoding.JPG, WHITE)
    torn = {"half a JPEG": good[: len(good) // 2], "20 bytes of one": good[:20], "no JPEG at all": b"no picture" * 9}
    return await _goes_on(probe, JPEG, good, torn)


@rule("raw-length", section="9")
async def raw_length(probe: Probe) -> Verdict:
    """A raw frame of a wrong length is acknowledged, and the session goes on."""
    good = raw(RGB24, WHITE)
    wrong = {"a byte short": good[:-1], "10,000 bytes long": good + bytes(10_000 - len(good)), "empty": b""}
    return await _goes_on(probe, RGB24, good, wrong)


@rule("image-size", section="9")
async def image_size(probe: Probe) -> Verdict:
    """An image of another size than the descriptor's is acknowledged, and the session goes on."""
    good = encoded(Encoding.JPG, BLACK)
    other = {
        "double": encoded(Encoding.JPG, WHITE, (2 * WIDTH, 2 * HEIGHT)),
        "half": encoded(Encoding.JPG, WHITE, (WIDTH // 2, HEIGHT // 2)),
    }
    return await _goes_on(probe, JPEG, good, other)


async def _goes_on(probe: Probe, video_format: VideoFormat, good: bytes, bad: Mapping[str, bytes]) -> Verdict:
    for what, content in bad.items():
        async with probe.session(video_format) as session:
            try:
                await session.acknowledged(await send_all(session, [good, content, good]))
                await session.acknowledged(await send_all(session, [good]))
            except FramewireError as error:
                return failed(f"{what}: {error}")
    return passed(f"{', '.join(bad)}: acknowledged, as were the good frames before and after")

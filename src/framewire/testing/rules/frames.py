"""Rules of bad frames: one frame is lost, not the session (contract, sections 3 and 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framewire.errors import FramewireError
from framewire.model.format import Encoding, VideoFormat
from framewire.testing.probe import Probe
from framewire.testing.rules.answer import send_all, session_in
from framewire.testing.rules.picture import BLACK, RGB24, WHITE, encoded, raw
from framewire.testing.rules.rule import Verdict, failed, passed, rule


@rule("torn-jpeg", section="9")
async def torn_jpeg(probe: Probe) -> Verdict:
    """A torn JPEG is acknowledged, and the session goes on."""
    jpeg = _jpeg(probe)
    good = encoded(jpeg, WHITE)
    torn = {"half a JPEG": good[: len(good) // 2], "20 bytes of one": good[:20], "no JPEG at all": b"no picture" * 9}
    return await _goes_on(probe, jpeg, good, torn)


@rule("raw-length", section="9")
async def raw_length(probe: Probe) -> Verdict:
    """A raw frame of a wrong length is acknowledged, and the session goes on."""
    rgb24 = replace(RGB24, width=probe.video_format.width, height=probe.video_format.height)
    good = raw(rgb24, WHITE)
    wrong = {"a byte short": good[:-1], "a row long": good + good[: 3 * rgb24.width], "empty": b""}
    return await _goes_on(probe, rgb24, good, wrong)


@rule("image-size", section="9")
async def image_size(probe: Probe) -> Verdict:
    """An image of another size than the descriptor's is acknowledged, and the session goes on."""
    jpeg = _jpeg(probe)
    width, height = jpeg.width, jpeg.height
    other = {
        "double size": encoded(replace(jpeg, width=2 * width, height=2 * height), WHITE),
        "half size": encoded(replace(jpeg, width=width // 2, height=height // 2), WHITE),
    }
    return await _goes_on(probe, jpeg, encoded(jpeg, BLACK), other)


def _jpeg(probe: Probe) -> VideoFormat:
    return VideoFormat(Encoding.JPG, probe.video_format.width, probe.video_format.height)


async def _goes_on(probe: Probe, video_format: VideoFormat, good: bytes, bad: Mapping[str, bytes]) -> Verdict:
    for what, content in bad.items():
        async with session_in(probe, video_format) as session:
            try:
                await session.acknowledged(await send_all(session, [good, content, good]))
                await session.acknowledged(await send_all(session, [good]))
            except FramewireError as error:
                return failed(f"{what}: {error}")
    return passed(f"{', '.join(bad)}: acknowledged, as were the good frames before and after")

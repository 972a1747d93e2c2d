"""Rules of encodings, pixel formats and strides (contract, sections 2 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framewire.errors import FramewireError
from framewire.model.format import Encoding, PixelFormat, VideoFormat
from framewire.testing.probe import Probe
from framewire.testing.rules.answer import Gist, ask, shown
from framewire.testing.rules.picture import BLACK, COLOURS, RGB24, WHITE, frame, raw, with_stride
from framewire.testing.rules.raw_message import descriptor_message, first_message
from framewire.testing.rules.refusal import all_refused
from framewire.testing.rules.rule import NotShownError, Verdict, failed, not_shown, passed, rule

_STRIDED = VideoFormat(Encoding.RAW, 50, 48, PixelFormat.RGB24, 480)
"""150 bytes of picture and 330 of padding in each row: who takes the padding for picture sees mostly padding."""


@rule("pixel-format", section="5")
async def pixel_format(probe: Probe) -> Verdict:
    """A raw picture gets the same answer in each of the eleven pixel formats; none is read as another."""
    rgb24 = _rgb24(probe)
    kinds = (kind for kind in PixelFormat if kind is not PixelFormat.NONE)
    formats = {kind.name: replace(rgb24, pixel_format=kind) for kind in kinds}
    return await _same_answers(probe, {"RGB24": rgb24, **formats})


@rule("encoding", section="2")
async def encoding(probe: Probe) -> Verdict:
    """A picture gets the same answer as raw RGB24, JPG, PNG and BMP."""
    rgb24 = _rgb24(probe)
    kinds = (Encoding.JPG, Encoding.PNG, Encoding.BMP)
    formats = {kind.name: VideoFormat(kind, rgb24.width, rgb24.height) for kind in kinds}
    return await _same_answers(probe, {"RGB24": rgb24, **formats})


def _rgb24(probe: Probe) -> VideoFormat:
    return replace(RGB24, width=probe.video_format.width, height=probe.video_format.height)


async def _same_answers(probe: Probe, formats: Mapping[str, VideoFormat]) -> Verdict:
    first, *others = formats
    expected = await _answers(probe, formats[first])
    refused: list[str] = []
    for name in others:
        try:
            answers = await _answers(probe, formats[name])
        except NotShownError:
            # Who cannot read a form and says so has not misread it.
            refused.append(name)
            continue
        except FramewireError as error:
            return failed(f"{name}: {error}")
        for colour, one, other in zip(COLOURS, expected, answers, strict=True):
            if one != other:
                return failed(f"colour {colour} gets {shown(other)} as {name}, but {shown(one)} as {first}")
    if len(refused) == len(formats) - 1:
        return not_shown(f"the server takes {first} alone; refused: {', '.join(refused)}")
    if len(set(expected)) == 1:
        return not_shown(f"{len(COLOURS)} colours all get {shown(expected[0])}")
    seen = f"{len(COLOURS)} colours, the same answers in {len(formats) - len(refused)} forms"
    return passed(f"{seen}; refused: {', '.join(refused)}" if refused else seen)


async def _answers(probe: Probe, video_format: VideoFormat) -> list[Gist]:
    return await ask(probe, video_format, [frame(video_format, colour) for colour in COLOURS])


@rule("stride", section="5")
async def stride(probe: Probe) -> Verdict:
    """The padding at the end of each row (stride_bytes) is not taken for picture."""
    return await _same_as_tight(probe, is_last_row_padded=True)


@rule("stride-last-row", section="5")
async def stride_last_row(probe: Probe) -> Verdict:
    """The last row of a frame with a stride need not be padded."""
    return await _same_as_tight(probe, is_last_row_padded=False)


async def _same_as_tight(probe: Probe, *, is_last_row_padded: bool) -> Verdict:
    tight = replace(_STRIDED, stride_bytes=0)
    expected = await ask(probe, tight, [raw(tight, BLACK), raw(tight, WHITE)])
    frames = [
        with_stride(_STRIDED, colour, padding, is_last_row_padded=is_last_row_padded)
        for colour, padding in ((BLACK, 255), (WHITE, 0))
    ]
    answers = await ask(probe, _STRIDED, frames)
    for name, one, other in zip(("black", "white"), expected, answers, strict=True):
        if one != other:
            return failed(f"{name} with stride 480 gets {shown(other)}, without gaps {shown(one)}")
    if expected[0] == expected[1]:
        return not_shown(f"black and white both get {shown(expected[0])}")
    return passed(f"50 px RGB24 with stride 480 and without: {shown(expected[0])}, {shown(expected[1])}")


@rule("no-video-format", section="2")
async def no_video_format(probe: Probe) -> Verdict:
    """A descriptor without a video format is refused with INVALID_ARGUMENT, and not answered."""
    return await all_refused(probe, {"": first_message(probe.descriptor(None))})


@rule("raw-without-pixel-format", section="2")
async def raw_without_pixel_format(probe: Probe) -> Verdict:
    """RAW frames without a pixel format are refused with INVALID_ARGUMENT before the descriptor is answered."""
    return await all_refused(probe, {"": descriptor_message(probe.options.base_configuration, pixel_format=0)})


@rule("size-zero", section="2")
async def size_zero(probe: Probe) -> Verdict:
    """A width or height of 0 is refused with INVALID_ARGUMENT before the descriptor is answered."""
    configuration = probe.options.base_configuration
    sizes = {"width 0": (0, RGB24.height), "height 0": (RGB24.width, 0)}
    return await all_refused(
        probe,
        {
            what: descriptor_message(configuration, width=width, height=height)
            for what, (width, height) in sizes.items()
        },
    )


@rule("stride-too-small", section="5")
async def stride_too_small(probe: Probe) -> Verdict:
    """A stride shorter than a row is refused with INVALID_ARGUMENT before the descriptor is answered."""
    row_bytes = 3 * RGB24.width
    first = descriptor_message(probe.options.base_configuration, stride_bytes=row_bytes - 1)
    return await all_refused(probe, {f"stride {row_bytes - 1}, row {row_bytes}": first})


@rule("unknown-number", section="2")
async def unknown_number(probe: Probe) -> Verdict:
    """An encoding or pixel format that does not exist is refused with INVALID_ARGUMENT, and not answered."""
    configuration = probe.options.base_configuration
    return await all_refused(
        probe,
        {
            "encoding 9": descriptor_message(configuration, encoding=9),
            "pixel format 7": descriptor_message(configuration, pixel_format=7),
        },
    )

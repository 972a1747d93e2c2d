"""Answers in a form in which two of them can be compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, assert_never

from framewire.model.format import VideoFormat
from framewire.model.inference import Classification, Entity, Event, Inference, Motion, Other, Text
from framewire.model.message import Content, Sample
from framewire.testing.probe import Probe, Session, SessionEndedError
from framewire.testing.rules.rule import NotShownError

Gist: TypeAlias = tuple[str, ...]
"""What an answer says, sorted: kinds, subtypes and labels. No boxes and no confidences, because those may move a
little when the same picture comes as a JPEG or in fewer bits."""


def gist(samples: Iterable[Sample]) -> Gist:
    """The gist of all inferences of some samples together."""
    return tuple(sorted(_label(inference) for sample in samples for inference in sample.inferences))


def _label(inference: Inference) -> str:
    match inference:
        case Classification() | Entity():
            word = inference.tag.value
        case Event():
            word = inference.name
        case Text():
            word = inference.value
        case Other():
            word = inference.content_type
        case Motion():
            word = ""
        case _:
            assert_never(inference)
    kind = inference.subtype or type(inference).__name__.lower()
    return f"{kind}={word}" if word else kind


def shown(answer: Gist) -> str:
    """A gist as a few words for a verdict."""
    if not answer:
        return "nothing"
    words = [name if (count := answer.count(name)) == 1 else f"{count} x {name}" for name in dict.fromkeys(answer)]
    return ", ".join(words[:4]) + (", .." if len(words) > 4 else "")


@asynccontextmanager
async def session_in(probe: Probe, video_format: VideoFormat) -> AsyncIterator[Session]:
    """A session in a format that a rule needs.

    A server that does not take the format, and says so as the contract wants it, has broken no rule of frames.

    Raises:
        NotShownError: The server refuses the format with INVALID_ARGUMENT.
    """
    is_open = False
    try:
        async with probe.session(video_format) as session:
            is_open = True
            yield session
    except SessionEndedError as ended:
        if is_open or ended.status.code != "INVALID_ARGUMENT" or video_format == probe.video_format:
            raise
        raise NotShownError(f"the server takes no {video_format} ({ended.status})") from None


async def send_all(session: Session, contents: Sequence[Content], *, timestamp: int = 1) -> list[int]:
    """Sends one sample per content without waiting for answers; returns their sequence numbers."""
    return [await session.send(Sample(timestamp + index, content)) for index, content in enumerate(contents)]


async def ask(probe: Probe, video_format: VideoFormat, contents: Sequence[Content]) -> list[Gist]:
    """Asks about some frames in a session of their own; returns the answer to each."""
    async with session_in(probe, video_format) as session:
        return await ask_in(session, contents)


async def ask_in(session: Session, contents: Sequence[Content]) -> list[Gist]:
    """Asks about some frames in an open session; returns the answer to each."""
    numbers = await send_all(session, contents)
    await session.acknowledged(numbers)
    return [gist(session.samples(number)) for number in numbers]


async def ask_about_one(probe: Probe, video_format: VideoFormat, content: Content) -> Gist:
    """Asks about one frame in a session that then ends; returns all that the server said about it.

    What comes only after the half-close counts, too: a server that waits for a batch lets go of the rest there.
    """
    async with session_in(probe, video_format) as session:
        number = await session.send(Sample(1, content))
        await session.half_close()
        await session.acknowledged([number])
        await session.end()
        return gist(message.payload for message in session.received if isinstance(message.payload, Sample))

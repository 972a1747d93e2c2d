"""Rules of the handshake (contract, sections 3 and 6)."""

from __future__ import annotations

from framewire.model.message import Descriptor, Message, Sample
from framewire.testing.probe import Probe, Session, SessionEndedError, credentials_metadata
from framewire.testing.rules.picture import BLACK, frame
from framewire.testing.rules.refusal import refused_at_once, refused_in_session
from framewire.testing.rules.rule import Verdict, failed, passed, rule
from framewire.wire import encode

_TIMESCALES = (90_000, 1_000)
"""Two, so that a server that always answers with the usual one does not get through."""


@rule("handshake", section="3")
async def handshake(probe: Probe) -> Verdict:
    """The server answers the descriptor with its own: sequence 1, ack 1, the client's timescale, no sample format."""
    name = "no name"
    for timescale in _TIMESCALES:
        async with probe.stream() as session:
            await session.send(probe.descriptor(probe.video_format, timescale=timescale))
            message = await session.handshake()
        wrong = _wrong_in(message, timescale)
        if wrong:
            return failed(wrong)
        assert isinstance(message.payload, Descriptor)
        if isinstance(message.payload.identifier, str) and message.payload.identifier:
            name = f"the name {message.payload.identifier!r}"
    timescales = " and ".join(map(str, _TIMESCALES))
    return passed(f"sequence 1, ack 1, timescales {timescales} returned, {name}; asked with {probe.video_format}")


def _wrong_in(message: Message, timescale: int) -> str:
    match message.payload:
        case Descriptor() as descriptor if descriptor.timescale != timescale:
            return f"timescale {descriptor.timescale} instead of the client's {timescale}"
        case Descriptor() as descriptor if descriptor.video_format is not None:
            return f"a sample format ({descriptor.video_format}); inferences alone have none"
        case Descriptor() if (message.sequence_number, message.ack_sequence_number) != (1, 1):
            return f"sequence {message.sequence_number}, ack {message.ack_sequence_number} instead of 1 and 1"
        case Descriptor():
            return ""
        case other:
            return f"the first message is {'empty' if other is None else 'a sample'} instead of a descriptor"


@rule("credentials", section="6")
async def credentials(probe: Probe) -> Verdict:
    """Without configured credentials any or none pass; with them, a stranger is refused as UNAUTHENTICATED."""
    tried = {"none": (), "dummyUserName:dummyPassword": credentials_metadata("dummyUserName", "dummyPassword")}
    refused = []
    for what, metadata in tried.items():
        async with probe.stream(metadata=metadata) as session:
            try:
                await _shake(probe, session)
            except SessionEndedError as ended:
                if probe.options.user is None or ended.status.code != "UNAUTHENTICATED":
                    return failed(f"{what}: ended with {ended.status}")
                refused.append(what)
    if probe.options.user is None:
        return passed("none and dummyUserName:dummyPassword were let in")
    async with probe.stream() as session:
        await _shake(probe, session)
    others = f"UNAUTHENTICATED for {' and '.join(refused)}" if refused else "so was everybody else"
    return passed(f"{probe.options.user} was let in; {others}")


async def _shake(probe: Probe, session: Session) -> None:
    await session.send(probe.descriptor(probe.video_format))
    await session.handshake()


@rule("first-message", section="3")
async def first_message(probe: Probe) -> Verdict:
    """A session whose first message is not a descriptor ends with INVALID_ARGUMENT."""
    return await refused_at_once(probe, encode(Message(1, 0, Sample(1, frame(probe.video_format, BLACK)))))


@rule("second-descriptor", section="3")
async def second_descriptor(probe: Probe) -> Verdict:
    """A second descriptor ends the session with INVALID_ARGUMENT."""
    async with probe.session() as session:
        await session.send(probe.descriptor(probe.video_format))
        return await refused_in_session(session, frame(probe.video_format, BLACK))

"""Rules of sequence numbers, acknowledgements and timestamps (contract, section 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from framewire.model.message import Descriptor, Message, Sample
from framewire.testing.probe import Probe
from framewire.testing.rules.answer import Gist, ask, ask_about_one, ask_in, send_all, shown
from framewire.testing.rules.picture import BLACK, WHITE, frame
from framewire.testing.rules.refusal import refused_in_session
from framewire.testing.rules.rule import Outcome, Verdict, failed, not_shown, passed, rule

_COUNTS = (1, 10, 11)
"""Not all of them multiples of any batch size: the last frames of a batch that is not full count, too."""

_WARM_UP = 4
"""So many first answers do not count: a server may compare a frame with the ones before it."""


@rule("server-sequence", section="3")
async def server_sequence(probe: Probe) -> Verdict:
    """The server numbers its own messages 1, 2, 3, .. without gaps."""
    black = frame(probe.video_format, BLACK)
    async with probe.session() as session:
        await session.acknowledged(await send_all(session, [black] * 10))
        numbers = [message.sequence_number for message in session.received]
    if numbers == list(range(1, len(numbers) + 1)):
        return passed(f"1 to {len(numbers)}")
    return failed(f"the server's messages are numbered {_listed(numbers)}")


@rule("acknowledged-once", section="3")
async def acknowledged_once(probe: Probe) -> Verdict:
    """Each sample is acknowledged exactly once, however many are in flight, and without waiting for more to come."""
    black = frame(probe.video_format, BLACK)
    for count in _COUNTS:
        async with probe.session() as session:
            numbers = await send_all(session, [black] * count)
            await session.acknowledged(numbers)
            # A second acknowledgement may come late, but not after the session.
            await session.finish()
            wrong = _wrong_acks(session.received, numbers)
        if wrong:
            return failed(f"{count} samples in flight: {wrong}")
    return passed(f"{', '.join(map(str, _COUNTS))} samples in flight, each acknowledged once")


def _wrong_acks(received: Sequence[Message], numbers: Sequence[int]) -> str:
    acks = Counter(message.ack_sequence_number for message in received if message.ack_sequence_number != 0)
    for number in numbers:
        if acks[number] != 1:
            return f"sequence {number} was acknowledged {acks[number]} times"
    strangers = sorted(set(acks) - set(numbers) - {1})
    if strangers:
        return f"sequence {_listed(strangers)} was acknowledged and never sent"
    return f"the descriptor was acknowledged {acks[1]} times" if acks[1] != 1 else ""


@rule("timestamps", section="3")
async def timestamps(probe: Probe) -> Verdict:
    """Each answer carries the timestamp of the sample that it acknowledges."""
    black = frame(probe.video_format, BLACK)
    # Unix time x 90,000 as Azure Video Analyzer sends it, at intervals that are not all alike.
    stamps = [1_790_000_000 * 90_000 + 3_000 * index + index * index for index in range(6)]
    async with probe.session() as session:
        numbers = [await session.send(Sample(stamp, black)) for stamp in stamps]
        await session.acknowledged(numbers)
        for number, stamp in zip(numbers, stamps, strict=True):
            samples = session.samples(number)
            if not samples:
                return failed(f"the acknowledgement of sequence {number} has no sample, and so no timestamp")
            for sample in samples:
                if sample.timestamp != stamp:
                    return failed(f"sequence {number} was sent at {stamp} and answered at {sample.timestamp}")
    return passed(f"{len(stamps)} of {len(stamps)} returned")


@rule("sequence-rises", section="3")
async def sequence_rises(probe: Probe) -> Verdict:
    """A client's sequence number that does not rise ends the session with INVALID_ARGUMENT."""
    black = frame(probe.video_format, BLACK)
    verdict = passed("")
    for what, number in (("3 after 3", 3), ("2 after 3", 2)):
        async with probe.session() as session:
            await send_all(session, [black, black])
            await session.send(Sample(1, black), sequence_number=number)
            verdict = await refused_in_session(session, black, what)
        if verdict.outcome is not Outcome.PASS:
            return verdict
    return passed(f"2 of 2 refused; {verdict.seen}")


@rule("every-frame", section="9")
async def every_frame(probe: Probe) -> Verdict:
    """Every frame is analysed: equal pictures get equal answers, one after the other and in flight together."""
    black = frame(probe.video_format, BLACK)
    one_by_one: list[Gist] = []
    async with probe.session() as session:
        for _ in range(_WARM_UP + 6):
            one_by_one += await ask_in(session, [black])
    in_flight = await ask(probe, probe.video_format, [black] * (_WARM_UP + 8))
    for how, answers in (("one by one", one_by_one), ("in flight together", in_flight)):
        kinds = Counter(answers[_WARM_UP:])
        if len(kinds) > 1:
            parts = "; ".join(f"{count} got {shown(answer)}" for answer, count in kinds.most_common(3))
            return failed(f"equal pictures, {how}: {parts}")
    if not in_flight[-1]:
        return not_shown("the server says nothing about the picture")
    return passed(f"{len(one_by_one) + len(in_flight)} equal pictures, each got {shown(in_flight[-1])}")


@rule("own-results", section="9")
async def own_results(probe: Probe) -> Verdict:
    """Results ride on the acknowledgement of their own frame, also when frames were analysed together."""
    video_format = probe.video_format
    pictures = {"black": frame(video_format, BLACK), "white": frame(video_format, WHITE)}
    alone = {name: await ask_about_one(probe, video_format, content) for name, content in pictures.items()}
    if alone["black"] == alone["white"]:
        return not_shown(f"black and white both get {shown(alone['black'])}")
    known = {label for answer in alone.values() for label in answer}
    order = ["white" if bit == "1" else "black" for bit in "011010011101"]
    answers = await ask(probe, video_format, [pictures[name] for name in order])
    for index, (name, answer) in enumerate(zip(order, answers, strict=True), start=1):
        if answer != alone[name] and known.issuperset(answer):
            return failed(f"frame {index} ({name}) got {shown(answer)}; alone it gets {shown(alone[name])}")
    strange = [answer for name, answer in zip(order, answers, strict=True) if answer != alone[name]]
    if strange:
        return not_shown(f"answers depend on the frames before: {shown(strange[0])}")
    return passed(
        f"{len(order)} frames in flight: {shown(alone['black'])} and {shown(alone['white'])} where they belong"
    )


@rule("half-close", section="3")
async def half_close(probe: Probe) -> Verdict:
    """After the client's half-close what is outstanding is answered, nothing else follows, and the status is OK."""
    black = frame(probe.video_format, BLACK)
    async with probe.session() as session:
        numbers = await send_all(session, [black] * 5)
        await session.half_close()
        await session.acknowledged(numbers)
        status = await session.end()
        messages = session.received
    if status.code != "OK":
        return failed(f"ended with {status}; expected OK")
    if len(messages) != 1 + len(numbers):
        return failed(f"{len(messages)} messages for a descriptor and {len(numbers)} samples")
    return passed(f"{len(numbers)} of {len(numbers)} answered, then OK")


@rule("no-content", section="3")
async def no_content(probe: Probe) -> Verdict:
    """A sample without content is acknowledged, and the session goes on."""
    black = frame(probe.video_format, BLACK)
    async with probe.session() as session:
        await session.acknowledged(await send_all(session, [black, None, black]))
    return passed("3 of 3 acknowledged")


@rule("inferences", section="7")
async def inferences(probe: Probe) -> Verdict:
    """Each inference has one value, a label where its kind asks for one, and numbers from 0 to 1."""
    black = frame(probe.video_format, BLACK)
    count = 0
    async with probe.session() as session:
        numbers = await send_all(session, [black, frame(probe.video_format, WHITE)] * 3)
        await session.acknowledged(numbers)
        for message in session.received:
            if isinstance(message.payload, Descriptor) or message.payload is None:
                continue
            for problem in message.payload.problems:
                return failed(problem)
            count += len(message.payload.inferences)
    return passed(f"{count} inferences") if count else not_shown("the server sent no inferences")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", .." if len(numbers) > 8 else "")

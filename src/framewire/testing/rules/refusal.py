"""How a server refuses what breaks the contract: INVALID_ARGUMENT, and in time."""

from __future__ import annotations

from collections.abc import Mapping

from framewire.model.message import Content, Sample
from framewire.testing.probe import NoAnswerError, Probe, Session, SessionEndedError, Status
from framewire.testing.rules.rule import Outcome, Verdict, failed, passed


def judge(status: Status, what: str = "") -> Verdict:
    """A refusal's status: only INVALID_ARGUMENT tells the other side that the mistake is its own."""
    before = f"{what}: " if what else ""
    if status.code == "INVALID_ARGUMENT":
        return passed(f"{before}{status}")
    return failed(f"{before}ended with {status}; expected INVALID_ARGUMENT")


async def refused_at_once(probe: Probe, first_message: bytes, what: str = "") -> Verdict:
    """Plays a session whose first message must be refused before it is answered."""
    before = f"{what}: " if what else ""
    async with probe.stream() as session:
        await session.send_bytes(first_message)
        try:
            await session.until(
                lambda: bool(session.received) or session.status is not None, lambda: "the first message"
            )
        except NoAnswerError as error:
            return failed(f"{before}{error}")
        if not session.received:
            assert session.status is not None
            return judge(session.status, what)
        return failed(f"{before}was answered as if it were right; expected INVALID_ARGUMENT")


async def refused_in_session(session: Session, good: Content, what: str = "") -> Verdict:
    """Judges the refusal of what was sent last, in a session that was good until then.

    A right sample with the content `good` goes after it: when that is answered the session went on, and there is no
    need to wait longer.
    """
    before = f"{what}: " if what else ""
    number = await session.send(Sample(1, good))
    try:
        await session.acknowledged([number])
    except SessionEndedError as ended:
        return judge(ended.status, what)
    except NoAnswerError as error:
        return failed(f"{before}{error}; expected INVALID_ARGUMENT")
    return failed(f"{before}the session went on; expected INVALID_ARGUMENT")


async def all_refused(probe: Probe, first_messages: Mapping[str, bytes]) -> Verdict:
    """Plays one session for each first message; the first that is not refused decides."""
    verdict = passed("")
    for what, first_message in first_messages.items():
        verdict = await refused_at_once(probe, first_message, what)
        if verdict.outcome is not Outcome.PASS:
            return verdict
    count = len(first_messages)
    return verdict if count == 1 else passed(f"{count} of {count} refused; {verdict.seen}")

"""Rules of `extension_configuration` (contract, sections 8 and 9)."""

from __future__ import annotations

from framewire.testing.probe import NoAnswerError, Probe, Session, SessionEndedError
from framewire.testing.rules.answer import Gist, ask_in, shown
from framewire.testing.rules.picture import COLOURS, Colour, frame
from framewire.testing.rules.rule import Verdict, failed, not_shown, passed, rule

_INVALID = ("{not json", "[1, 2]", '{"processor": 7}', '{"processor": "no such processor"}')

_KNOWN = (
    '{"threshold": 255}',
    '{"options": {"threshold": 255}}',
    '{"processor": "color-intensity", "options": {"threshold": 255}}',
    '{"colorIntensity": "dark"}',
    '{"inferenceConfidence": 0.7, "objectLabel": "car"}',
)
"""Configurations that some server out there knows, and framewire's own."""

_PICTURES: tuple[Colour, ...] = (*COLOURS, *((grey, grey, grey) for grey in range(15, 240, 25)))
"""From dark to light, so that another threshold shows. Twelve, so that batches of two, three, four or six frames begin
anew with each round."""


def _frames(probe: Probe) -> list[bytes]:
    return [frame(probe.video_format, colour) for colour in _PICTURES]


@rule("configuration-invalid", section="9")
async def configuration_invalid(probe: Probe) -> Verdict:
    """A wrong configuration is refused before the descriptor is answered, or the session works; nothing between."""
    refused = []
    for text in _INVALID:
        async with probe.stream() as session:
            await session.send(probe.descriptor(probe.video_format, configuration=text))
            try:
                await session.handshake()
            except SessionEndedError as ended:
                if ended.status.code != "INVALID_ARGUMENT":
                    return failed(f"{text} ended with {ended.status}; expected INVALID_ARGUMENT")
                refused.append(text)
                continue
            except NoAnswerError as error:
                return failed(f"{text}: {error}")
            wrong = await _wrong_after_success(session, _frames(probe))
        if wrong:
            return failed(f"{text} was accepted, then {wrong}")
    accepted = len(_INVALID) - len(refused)
    return passed(f"{len(refused)} refused before the answer, {accepted} accepted and served")


async def _wrong_after_success(session: Session, contents: list[bytes]) -> str:
    try:
        await ask_in(session, contents)
        status = await session.finish()
    except SessionEndedError as ended:
        return str(ended)
    except NoAnswerError as error:
        return str(error)
    return "" if status.code == "OK" else f"the session ended with {status}"


@rule("configuration-own", section="9")
async def configuration_own(probe: Probe) -> Verdict:
    """One camera's configuration does not change the answers to another camera."""
    contents = _frames(probe)
    given = probe.options.configuration
    changed = ""
    async with probe.session() as first:
        before = await ask_in(first, contents)
        for text in _KNOWN if given is None else (given,):
            answers = await _answers_under(probe, text, contents)
            after = await ask_in(first, contents)
            if after != before:
                one, other = next(pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])
                return failed(f"a session got {shown(one)}, and {shown(other)} after another came with {text}")
            if answers is not None and answers != before:
                changed = changed or text
    async with probe.session() as later:
        after = await ask_in(later, contents)
    if after != before:
        return failed("a session without configuration gets other answers after one with a configuration")
    if not changed:
        known = f"{len(_KNOWN)} known configurations change" if given is None else "the given configuration changes"
        remedy = "; give --configuration JSON that does" if given is None else ""
        return not_shown(f"{known} no answer{remedy}")
    return passed(f"{changed} changed the answers of its own session only")


async def _answers_under(probe: Probe, configuration: str, contents: list[bytes]) -> list[Gist] | None:
    """The answers of a session of its own, or None when the server refuses the configuration."""
    try:
        async with probe.session(configuration=configuration) as session:
            return await ask_in(session, contents)
    except SessionEndedError:
        return None

"""The extension configuration of a session: which processor, with which options (ADR 0003)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from framewire.errors import ConfigurationError, ProtocolError
from framewire.model.terms import Terms, WhenBusy
from framewire.processors.catalogue import Catalogue, ProcessorKind
from framewire.processors.options import field_names, shown

_TERMS = ("priority", "whenBusy", "maxAgeMs")
"""Members that say how a session is scheduled."""

_OWN_MEMBERS = ("processor", "options", *_TERMS)

_MAX_CHARACTERS = 1 << 18
"""Longest configuration that is read: parsing megabytes of JSON would hold up every other session."""

_FORM = '"" or a JSON object such as {"options":{"name":1}}'


@dataclass(frozen=True, slots=True)
class Selection:
    """What a session runs.

    Args:
        kind: The processor.
        options: Its options, an instance of its `Options`.
        ignored: Members of the configuration that mean nothing to it.
        terms: How the session is scheduled.
    """

    kind: ProcessorKind
    options: Any
    ignored: Sequence[str] = ()
    terms: Terms = field(default=Terms())


def select(
    configuration: str,
    default: ProcessorKind,
    default_options: Mapping[str, object],
    catalogue: Catalogue,
    *,
    strict: bool = False,
    terms: Terms = Terms(),  # noqa: B008 # it is immutable
) -> Selection:
    """Reads an extension configuration.

    Args:
        configuration: The text of the descriptor.
        default: The server's processor.
        default_options: Its options as the operator gave them; members of the configuration override them.
        catalogue: The processors that a session may name.
        strict: Refuse members that mean nothing to the processor.
        terms: How a session is scheduled that asks for nothing else.

    Raises:
        ProtocolError: The text is no JSON object, or names an unknown processor or option, or a value is wrong.
    """
    if default.takes_any_configuration:
        return Selection(default, default.options(default_options), terms=terms)
    members = _members(configuration)
    try:
        if "processor" in members or "options" in members or all(name in _TERMS for name in members):
            return _own_form(members, default, default_options, catalogue, terms)
        names = field_names(default.factory.Options)
        ignored = tuple(name for name in members if name not in names)
        if strict and ignored:
            raise ConfigurationError(
                f"member {shown(ignored[0])} of the extension configuration means nothing to processor {default.name}",
                allowed=", ".join(sorted(set(names.values()))) or "none: it has no options",
            )
        given = {name: value for name, value in members.items() if name in names}
        return Selection(default, default.options({**default_options, **_by_field(given, names)}), ignored, terms)
    except ConfigurationError as error:
        raise ProtocolError(
            f"extension_configuration: {error.problem}", allowed=error.allowed, remedy=error.remedy
        ) from None


def processor_in(configuration: str) -> str | None:
    """The name of the processor that an extension configuration asks for; None for none, whatever else is wrong."""
    if '"processor"' not in configuration:
        return None
    try:
        name = _members(configuration).get("processor")
    except ProtocolError:
        return None
    return name if isinstance(name, str) else None


def _members(configuration: str) -> dict[str, object]:
    if len(configuration) > _MAX_CHARACTERS:
        raise ProtocolError(
            f"extension_configuration has {len(configuration)} characters", allowed=f"up to {_MAX_CHARACTERS}"
        )
    if not configuration.strip():
        return {}
    try:
        members = json.loads(configuration)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else "too large a number"
        if isinstance(error, json.JSONDecodeError):
            reason = f"line {error.lineno} column {error.colno}"
        raise ProtocolError(
            f"extension_configuration {shown(configuration)} is not JSON ({reason})", allowed=_FORM
        ) from None
    if not isinstance(members, dict):
        raise ProtocolError(f"extension_configuration {shown(configuration)} is no JSON object", allowed=_FORM)
    return members


def _own_form(
    members: Mapping[str, object],
    default: ProcessorKind,
    default_options: Mapping[str, object],
    catalogue: Catalogue,
    terms: Terms,
) -> Selection:
    for member in members:
        if member not in _OWN_MEMBERS:
            raise ConfigurationError(f"member {shown(member)} is unknown", allowed=", ".join(_OWN_MEMBERS))
    name = members.get("processor", default.name)
    options = members.get("options", {})
    if not isinstance(name, str):
        raise ConfigurationError(f"processor is {shown(name)}", allowed="a string")
    if not isinstance(options, dict):
        raise ConfigurationError(f"options is {shown(options)}", allowed="a JSON object")
    terms = _terms(members, terms)
    # The server's own processor need not be in the catalogue: a program may give it as a class.
    kind = default if name == default.name else catalogue.find(name)
    if kind.factory is not default.factory:
        return Selection(kind, kind.options(options), terms=terms)
    names = field_names(kind.factory.Options)
    return Selection(default, default.options({**default_options, **_by_field(options, names)}), terms=terms)


def _terms(members: Mapping[str, object], default: Terms) -> Terms:
    priority = members.get("priority", default.priority)
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 9:
        raise ConfigurationError(f"priority is {shown(priority)}", allowed="a whole number from 0 to 9")
    when_busy = default.when_busy
    if "whenBusy" in members:
        names = {kind.value: kind for kind in WhenBusy}
        text = members["whenBusy"]
        if not isinstance(text, str) or text not in names:
            raise ConfigurationError(f"whenBusy is {shown(text)}", allowed=", ".join(names))
        when_busy = names[text]
    max_age_s = default.max_age_s
    if "maxAgeMs" in members:
        max_age_ms = members["maxAgeMs"]
        if isinstance(max_age_ms, bool) or not isinstance(max_age_ms, int | float) or not 0 <= max_age_ms <= 3_600_000:
            raise ConfigurationError(
                f"maxAgeMs is {shown(max_age_ms)}", allowed="a number from 0 (no limit) to 3600000"
            )
        max_age_s = max_age_ms / 1000 or None
    return Terms(priority, when_busy, max_age_s)


def _by_field(values: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """`values` under the fields' own names, so that they override defaults given under another spelling."""
    return {names.get(name, name): value for name, value in values.items()}

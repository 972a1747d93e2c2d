"""Stored documents as they are answered: with defaults filled in, without secrets. The models say which those are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from framewire.topology.binding import Member, bare_type, members_of
from framewire.topology.documents import ParameterDeclaration, TopologyProperties
from framewire.topology.parts import Part, Typed
from framewire.topology.problems import is_secret_name

_PARAMETER = re.compile(r"\$\{([^${}]*)\}")
_LOGIN = re.compile(r"(?<=://)([^/?#\s:]*):([^/?#\s]*)@")
_WHOLE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://([^/?#:\[]*):(?!\d*(?:[/?#]|$))(.*)@", re.DOTALL)
"""Of a text that is an address: what stands before its last `@`, as people forget to escape what passwords may hold."""
HIDDEN = "***"
"""Stands for the password in an address."""


def answered_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a stored topology as they are answered.

    Args:
        properties: As Python's json module gives them; of a document without errors.

    Returns:
        Members under their published names, those that are not known left out. What a model has a default for is
        there, as a text. Passwords, keys and values of headers are not there, unless they are one parameter by its
        name; neither are defaults of secret parameters, and passwords in addresses are `***`.
    """
    secrets = secret_parameters(properties)
    answer: dict[str, Any] = {"parameters": [], "sources": [], "processors": [], "sinks": []}
    answer.update(_object(properties, (TopologyProperties,)))
    for declared in answer["parameters"]:
        if declared.get("name") in secrets:
            declared.pop("default", None)
    return answer


def secret_parameters(properties: Mapping[str, Any]) -> frozenset[str]:
    """Names of a topology's parameters that are secret: by their type, by what is made of them, and by their names,
    as published files declare passwords as plain texts."""
    declared = [_object(one, (ParameterDeclaration,)) for one in _given(properties, "parameters") or ()]
    by_declaration = {
        str(one.get("name"))
        for one in declared
        if str(one.get("type")).strip().lower() == "secretstring" or is_secret_name(str(one.get("name")))
    }
    return frozenset(by_declaration | set(_used_as_secrets(properties, (TopologyProperties,))))


def without_login(text: str) -> str:
    """The text with the password of each address in it hidden; one that is a parameter stays."""
    for match in reversed(list(_logins(text))):
        if not _PARAMETER.fullmatch(match[2]):
            text = f"{text[: match.start(2)]}{HIDDEN}{text[match.end(2) :]}"
    return text


def hidden_logins(value: Any, pointer: str = "") -> Iterator[str]:
    """JSON pointers of the texts in which a password is `***`: somebody sends back what was answered."""
    if isinstance(value, str) and any(match[2] == HIDDEN for match in _logins(value)):
        yield pointer
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from hidden_logins(one, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from hidden_logins(one, f"{pointer}/{index}")


def _logins(text: str) -> Iterator[re.Match[str]]:
    """User and password of each address in a text."""
    whole = _WHOLE.match(text)
    yield from _LOGIN.finditer(text) if whole is None else (whole,)


def _given(document: Any, name: str) -> Any:
    """A member whatever the case of its name, the last of several; None when it is not there."""
    found = None
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key.lower() == name.lower():
                found = value
    return found


def _kinds_of(document: Any, kinds: Sequence[type[Part]]) -> Sequence[type[Part]]:
    """Which of the kinds an object is; all of them when a parameter says it."""
    if len(kinds) == 1:
        return kinds
    bare = bare_type(_given(document, "@type"))
    return [kind for kind in kinds if kind.__name__.lower() == bare] or kinds


def _members(kinds: Sequence[type[Part]]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for kind in kinds:
        for member in members_of(kind).values():
            before = found.get(member.name)
            if before is None or (member.leaf is not None and member.leaf.is_secret):
                found[member.name] = member
    return found


def _object(document: Any, candidates: Sequence[type[Part]]) -> dict[str, Any]:
    kinds = _kinds_of(document, candidates)
    answer: dict[str, Any] = {}
    if issubclass(kinds[0], Typed):
        given = _given(document, "@type")
        answer["@type"] = kinds[0].type_name() if given is None and len(kinds) == 1 else given
    for member in _members(kinds).values():
        value = _given(document, member.name)
        if value is not None:
            value = _value(value, member)
        elif len(kinds) == 1 and kinds[0].has_default(member.field_name, str(_given(document, "mode")).lower()):
            value = _default(kinds[0].model_fields[member.field_name].get_default(), member)
        if value is not None:
            answer[member.name] = value
    return answer


def _value(value: Any, member: Member) -> Any:
    if member.is_many and isinstance(value, list):
        return [one for one in (_one(item, member) for item in value) if one is not None]
    return _one(value, member)


def _one(value: Any, member: Member) -> Any:
    if member.leaf is None:
        return _object(value, member.kinds)
    if member.leaf.is_secret and not (member.leaf.is_public and "PRIVATE KEY" not in str(value)):
        return value if isinstance(value, str) and _PARAMETER.fullmatch(value.strip()) else None
    return without_login(value) if isinstance(value, str) else value


def _default(value: Any, member: Member) -> Any:
    """A default as a document would say it; None for one that says nothing."""
    if value in (None, "", ()):
        return None
    if member.leaf is not None:
        return member.leaf.write(value)
    kind = type(value)
    return _object({"@type": kind.type_name()} if issubclass(kind, Typed) else {}, (kind,))


def _used_as_secrets(document: Any, candidates: Sequence[type[Part]]) -> Iterator[str]:
    """Names of the parameters that passwords and the like are made of."""
    for member in _members(_kinds_of(document, candidates)).values():
        value = _given(document, member.name)
        for item in value if isinstance(value, list) else () if value is None else (value,):
            if member.leaf is None:
                yield from _used_as_secrets(item, member.kinds)
            elif isinstance(item, str) and member.leaf.is_secret and not member.leaf.is_public:
                yield from _PARAMETER.findall(item)
            elif isinstance(item, str):
                for match in _logins(item):
                    yield from _PARAMETER.findall(match[2])

"""From JSON to models: members without regard to case, objects by their `@type`, texts read as values.

What is wrong with one member hides nothing of the others, so every object is kept in parts until all are good.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from framewire.topology.json_value import Json
from framewire.topology.parameters import Scope
from framewire.topology.parts import TYPE_PREFIX, Part, Typed
from framewire.topology.problems import Findings
from framewire.topology.scalars import Leaf, WrongValueError, text

_OLD_PREFIX = "microsoft.media."
_OLD_NAME_PREFIX = "mediagraph"
_ANY_TEXT = text().read


@dataclass(frozen=True, slots=True)
class Member:
    """What a member of a model may hold: values read by `leaf`, or objects of `kinds`; several when `is_many`."""

    field_name: str
    name: str
    is_required: bool
    is_many: bool
    leaf: Leaf | None
    kinds: tuple[type[Part], ...]


@dataclass(slots=True)
class Bound:
    """An object of a document and the model that it is to become.

    Args:
        kind: The model.
        json: Where it stands.
        is_known: Whether its `@type` is known; otherwise `kind` is what can be said of it all the same.
        members: Where each attribute stands, parameters put in.
        values: What was read for each attribute: a value, or what is bound of it. Without those that are wrong.
        model: The model, when every part of it is good.
    """

    kind: type[Part]
    json: Json
    is_known: bool = True
    members: dict[str, Json] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    model: Any = None

    def place(self, field_name: str) -> Json:
        """Where an attribute stands, or the object when it is not there."""
        return self.members.get(field_name, self.json)

    def value(self, field_name: str) -> Any:
        """What was read for an attribute; None when it is missing or wrong."""
        return self.values.get(field_name)

    def part(self, field_name: str) -> Bound | None:
        """What is bound of an attribute that is an object."""
        value = self.values.get(field_name)
        return value if isinstance(value, Bound) else None

    def parts(self, field_name: str) -> list[Bound]:
        """What is bound of an attribute that is a list of objects."""
        value = self.values.get(field_name)
        return [item for item in value if isinstance(item, Bound)] if isinstance(value, list) else []


class Binder:
    """Binds objects to models and notes what is wrong.

    Args:
        findings: Gets the problems.
        scope: What parameters stand for; None where they are not put in.
    """

    def __init__(self, findings: Findings, scope: Scope | None = None) -> None:
        self._findings = findings
        self._scope = scope

    def bind(self, json: Json, kind: type[Part], *, is_known: bool = True) -> Bound:
        """Binds an object whose model is known.

        Args:
            json: The object.
            kind: Its model.
            is_known: Whether all its members are those of `kind`.
        """
        bound = Bound(kind, json, is_known)
        if json.kind != "object":
            self._findings.error(json, "no object", allowed="{..}")
            return bound
        self._find_members(bound)
        is_good = is_known
        for member in members_of(kind).values():
            place = bound.members.get(member.field_name)
            if place is None:
                if member.is_required and is_known:
                    self._missing(json, member)
                    is_good = False
                continue
            is_good &= self._read_member(bound, member, place)
        if is_good:
            bound.model = kind.model_validate({name: _model_of(value) for name, value in bound.values.items()})
        return bound

    def bind_typed(
        self, json: Json, kinds: Sequence[type[Part]], *, others: Sequence[type[Part]] = (), fallback: type[Part]
    ) -> Bound:
        """Binds an object whose `@type` says which model it is.

        Args:
            json: The object.
            kinds: Models that may stand here.
            others: Models that belong elsewhere.
            fallback: What is read of an object of another type.
        """
        if json.kind != "object":
            self._findings.error(json, "no object", allowed="{..}")
            return Bound(fallback, json, is_known=False)
        by_name = {kind.__name__.lower(): kind for kind in (*others, *kinds)}
        allowed = ", ".join(kind.__name__ for kind in kinds)
        type_json = json.member("@type")
        if type_json is None or type_json.kind == "null":
            if len(kinds) == 1:
                return self.bind(json, kinds[0])
            self._findings.error(json, "@type is missing", allowed=allowed, is_value_shown=False)
            return self.bind(json, fallback, is_known=False)
        type_json = self._text(type_json, Leaf(_ANY_TEXT))
        if type_json is None or type_json.is_unset:
            return self.bind(json, fallback, is_known=False)
        found = by_name.get(bare_type(type_json.content))
        if found is None:
            self._refuse_type(type_json, allowed, [kind.__name__ for kind in kinds])
            return self.bind(json, fallback, is_known=False)
        if found not in kinds:
            self._findings.error(type_json, f"{found.__name__} cannot stand here", allowed=allowed)
            return self.bind(json, fallback, is_known=False)
        return self.bind(json, found)

    def _find_members(self, bound: Bound) -> None:
        members = members_of(bound.kind)
        for name, value in bound.json.content.items():
            member = members.get(name.lower())
            if member is None:
                if name.lower() != "@type" and bound.is_known:
                    names = [known.name for known in members.values()]
                    self._findings.warning(
                        value,
                        "unknown member, which is left out",
                        allowed=", ".join(names),
                        meant=name,
                        names=names,
                        is_value_shown=False,
                    )
                continue
            if member.field_name in bound.members:
                self._findings.warning(
                    value, f"{member.name} is there twice; the last one counts", is_value_shown=False
                )
            bound.members[member.field_name] = value
        # As if it were not there; what is required is then missing.
        bound.members = {name: value for name, value in bound.members.items() if value.kind != "null"}

    def _missing(self, json: Json, member: Member) -> None:
        allowed = ", ".join(kind.__name__ for kind in member.kinds if issubclass(kind, Typed))
        self._findings.error(json, f"{member.name} is missing", allowed=allowed, is_value_shown=False)

    def _read_member(self, bound: Bound, member: Member, json: Json) -> bool:
        """Reads one member into `bound`; answers whether all of it is good."""
        if not member.is_many:
            value = self._read_one(bound, member, json)
            if value is _NOTHING:
                return False
            bound.values[member.field_name] = value
            return _is_good(value)
        if json.kind != "array":
            self._findings.error(json, "no list", allowed="[..]")
            return False
        values = [self._read_one(bound, member, item) for item in json.items()]
        if member.is_required and not values:
            self._findings.error(json, "empty", allowed="at least one", is_value_shown=False)
            return False
        bound.values[member.field_name] = values
        return all(_is_good(value) for value in values)

    def _read_one(self, bound: Bound, member: Member, json: Json) -> Any:
        if member.leaf is not None:
            return self._read_leaf(bound, member, json, member.leaf)
        if issubclass(member.kinds[0], Typed):
            return self.bind_typed(json, member.kinds, fallback=Part)
        return self.bind(json, member.kinds[0])

    def _read_leaf(self, bound: Bound, member: Member, json: Json, leaf: Leaf) -> Any:
        given: Any
        if json.kind in ("object", "array") and leaf.is_any:
            given = json.plain()
        else:
            filled = self._text(json, leaf)
            if filled is None:
                return _NOTHING
            if not member.is_many:
                bound.members[member.field_name] = filled
            if filled.is_unset:
                return _NOTHING
            json, given = filled, filled.text
        try:
            return leaf.read(given)
        except WrongValueError as wrong:
            meant = given if wrong.names and isinstance(given, str) else ""
            self._findings.error(
                json, wrong.message, allowed=wrong.allowed, meant=meant, names=wrong.names, near=wrong.meant
            )
            return _NOTHING

    def _text(self, json: Json, leaf: Leaf) -> Json | None:
        """A text with parameters put in, or another scalar as it is; None after an error."""
        if leaf.is_secret:
            json.is_secret = True
        if json.kind in ("object", "array", "null"):
            self._findings.error(json, "no text", allowed="a text, a number, true or false")
            return None
        if json.kind == "string" and self._scope is not None:
            return self._scope.put_in(json, keeps_runtime=leaf.keeps_runtime)
        return json

    def _refuse_type(self, json: Json, allowed: str, names: Sequence[str]) -> None:
        bare = bare_type(json.content)
        if bare.startswith(_OLD_PREFIX):
            self._findings.error(
                json,
                "a type of Live Video Analytics, which came before Azure Video Analyzer and has other topologies",
                allowed=allowed,
                meant=bare.removeprefix(_OLD_PREFIX).removeprefix(_OLD_NAME_PREFIX),
                names=names,
            )
            return
        self._findings.error(json, "unknown type", allowed=allowed, meant=bare.rpartition(".")[2], names=names)


_NOTHING: Any = object()
"""Stands for a value that is wrong or unset."""


def bare_type(given: object) -> str:
    """The name of an `@type` in lower case, without what all of them begin with."""
    lower = str(given).strip().lower()
    return lower.removeprefix("#").removeprefix(TYPE_PREFIX.lower().removeprefix("#"))


def _is_good(value: Any) -> bool:
    return value is not _NOTHING and not (isinstance(value, Bound) and value.model is None)


def _model_of(value: Any) -> Any:
    if isinstance(value, Bound):
        return value.model
    if isinstance(value, list):
        return tuple(_model_of(item) for item in value)
    return value


@cache
def members_of(kind: type[Part]) -> Mapping[str, Member]:
    """The members of a model by their names in lower case."""
    return {member.name.lower(): member for member in _described(kind)}


def _described(kind: type[Part]) -> Iterator[Member]:
    for field_name, info in kind.model_fields.items():
        name = str(info.validation_alias or info.alias or field_name)
        leaf = next((item for item in info.metadata if isinstance(item, Leaf)), None)
        annotation: Any = info.annotation
        is_many = leaf is None and get_origin(annotation) is tuple
        if is_many:
            annotation = get_args(annotation)[0]
            if get_origin(annotation) is Annotated:
                leaf = next(item for item in annotation.__metadata__ if isinstance(item, Leaf))
        kinds = () if leaf else tuple(item for item in _alternatives(annotation) if issubclass(item, Part))
        yield Member(field_name, name, info.is_required(), is_many, leaf, kinds)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(item for item in get_args(annotation) if item is not type(None))
    return (annotation,)

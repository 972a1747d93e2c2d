"""The six kinds of inference, as values that are legal once they exist (contract, sections 2 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from framewire.errors import InferenceError
from framewire.model.geometry import Rectangle, Scaling, checked_fraction

_T = TypeVar("_T")

_UINT64 = 1 << 64


def _check_text(value: object, name: str) -> None:
    if type(value) is str and value.isascii():
        return
    if not isinstance(value, str):
        raise InferenceError(f"{name} is {value!r}", allowed="a string")
    try:
        # The wire carries UTF-8, which has no form for half a surrogate pair.
        value.encode()
    except UnicodeEncodeError:
        raise InferenceError(f"{name} is {value!r}", allowed="text that UTF-8 can write") from None


def _required_text(value: object, name: str) -> None:
    _check_text(value, name)
    if not value:
        raise InferenceError(f"{name} is empty", allowed="a string of at least one character")


def _strings(values: Mapping[str, str], name: str) -> Mapping[str, str]:
    """A copy of a map, checked."""
    if type(values) is not dict and not isinstance(values, Mapping):
        raise InferenceError(f"{name} is {values!r}", allowed="a map of strings to strings")
    for key, value in values.items():
        _check_text(key, f"a name in {name}")
        _check_text(value, f"{name}[{key!r}]")
    return dict(values)


def _items(values: Sequence[_T], name: str, what: str) -> Sequence[_T]:
    """A list as a tuple, which stays as it was checked; generators are read once, here."""
    if type(values) is tuple:
        return values
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InferenceError(f"{name} is {values!r}", allowed=f"a list of {what}")
    return tuple(values)


def _attributes(values: Sequence[Attribute], name: str) -> Sequence[Attribute]:
    checked = _items(values, f"{name}s", "attributes")
    for attribute in checked:
        _check_kind(attribute, Attribute, name)
    return checked


@dataclass(frozen=True, slots=True)
class Tag:
    """A label and how sure the model is of it.

    Args:
        value: The label; not empty.
        confidence: 0..1.
    """

    value: str
    confidence: float = 1.0

    def __post_init__(self) -> None:
        _required_text(self.value, "tag value")
        object.__setattr__(self, "confidence", checked_fraction(self.confidence, "tag confidence"))


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named property of what was found, such as a colour.

    Args:
        name: Not empty.
        value: Not empty.
        confidence: 0..1.
    """

    name: str
    value: str
    confidence: float = 1.0

    def __post_init__(self) -> None:
        _required_text(self.name, "attribute name")
        _required_text(self.value, "attribute value")
        object.__setattr__(self, "confidence", checked_fraction(self.confidence, "attribute confidence"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What every inference may carry, whatever its kind.

    Args:
        subtype: What sort of finding it is, for example ``colorIntensity``; no white space around it.
        inference_id: Identifier of this finding, for others to refer to.
        sequence_id: The same object keeps one from frame to frame.
        related_inferences: Identifiers of the inferences that this one builds on.
        extensions: Further properties, strings to strings.
    """

    subtype: str = ""
    inference_id: str = ""
    sequence_id: str = ""
    related_inferences: Sequence[str] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_text(self.subtype, "subtype")
        _check_text(self.inference_id, "inference_id")
        _check_text(self.sequence_id, "sequence_id")
        if self.subtype != self.subtype.strip():
            raise InferenceError(f"subtype {self.subtype!r} has white space around it", allowed="none around it")
        related_inferences = _items(self.related_inferences, "related_inferences", "identifiers")
        for related in related_inferences:
            _check_text(related, "a related inference")
        if related_inferences is not self.related_inferences:
            object.__setattr__(self, "related_inferences", related_inferences)
        object.__setattr__(self, "extensions", _strings(self.extensions, "extensions"))


@dataclass(frozen=True, slots=True)
class Classification(_Common):
    """A label of the whole frame."""

    tag: Tag
    attributes: Sequence[Attribute] = ()

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        _check_kind(self.tag, Tag, "classification tag")
        object.__setattr__(self, "attributes", _attributes(self.attributes, "classification attribute"))


@dataclass(frozen=True, slots=True)
class Motion(_Common):
    """A region that moves; without a box, something somewhere moves."""

    box: Rectangle | None = None

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        if self.box is not None:
            _check_kind(self.box, Rectangle, "motion box")


@dataclass(frozen=True, slots=True)
class Entity(_Common):
    """An object and where it is.

    Args:
        tag: What it is.
        box: Where it is; None when unknown.
        attributes: Its properties.
        id: Identifier of the object itself.
    """

    tag: Tag
    box: Rectangle | None = None
    attributes: Sequence[Attribute] = ()
    id: str = ""

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        _check_kind(self.tag, Tag, "entity tag")
        if self.box is not None:
            _check_kind(self.box, Rectangle, "entity box")
        object.__setattr__(self, "attributes", _attributes(self.attributes, "entity attribute"))
        _check_text(self.id, "entity id")


@dataclass(frozen=True, slots=True)
class Text(_Common):
    """Words that were read or heard.

    Args:
        value: The words.
        language: BCP 47 tag, for example ``en-GB``; empty when unknown.
        start_timestamp: First moment in the stream's ticks.
        end_timestamp: Last moment in the stream's ticks.
    """

    value: str
    language: str = ""
    start_timestamp: int = 0
    end_timestamp: int = 0

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        _check_text(self.value, "text value")
        _check_text(self.language, "text language")
        for name in ("start_timestamp", "end_timestamp"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value < _UINT64:
                raise InferenceError(f"text {name} is {value!r}", allowed="a whole number from 0 to 2**64 - 1")


@dataclass(frozen=True, slots=True)
class Event(_Common):
    """Something that happened.

    Args:
        name: Not empty.
        properties: Strings to strings.
    """

    name: str
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        _required_text(self.name, "event name")
        object.__setattr__(self, "properties", _strings(self.properties, "event properties"))


@dataclass(frozen=True, slots=True)
class Other(_Common):
    """Anything else, as bytes of a named media type.

    Args:
        content_type: IANA media type, for example ``application/json``.
        content: The bytes.
    """

    content_type: str
    content: bytes = b""

    def __post_init__(self) -> None:
        _Common.__post_init__(self)
        _check_text(self.content_type, "other content_type")
        _check_kind(self.content, bytes, "other content")


Inference: TypeAlias = Classification | Motion | Entity | Text | Event | Other
INFERENCE_KINDS = (Classification, Motion, Entity, Text, Event, Other)


def _check_kind(value: object, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise InferenceError(f"{name} is {value!r}", allowed=f"a {kind.__name__}")


def scale_inferences(inferences: Sequence[Inference], scaling: Scaling) -> Sequence[Inference]:
    """Moves every box from the source picture to the sent picture; other inferences stay as they are."""
    return _moved(inferences, scaling.scale) if scaling.has_padding else inferences


def unscale_inferences(inferences: Sequence[Inference], scaling: Scaling) -> Sequence[Inference]:
    """Moves every box from the sent picture to the source picture; other inferences stay as they are."""
    return _moved(inferences, scaling.unscale) if scaling.has_padding else inferences


def _moved(inferences: Sequence[Inference], move: Callable[[Rectangle], Rectangle]) -> Sequence[Inference]:
    return [
        replace(inference, box=move(inference.box))
        if isinstance(inference, Motion | Entity) and inference.box is not None
        else inference
        for inference in inferences
    ]

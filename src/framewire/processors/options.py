"""Options of processors: from text or JSON to the dataclass that a processor declares."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic

from framewire.errors import ConfigurationError

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """A value from outside as a text for errors and logs: escaped, and short however long it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]!r}.."
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}.."


def near_miss(name: str, names: Iterable[str]) -> str:
    """Words about the name that was probably meant; empty when none is near."""
    near = difflib.get_close_matches(name[:_SHOWN_CHARACTERS], names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def field_names(options_type: type) -> dict[str, str]:
    """The names under which each option may be given, snake case and the camel case of topologies, to its field."""
    names: dict[str, str] = {}
    for field in dataclasses.fields(options_type):
        names[_camel(field.name)] = field.name
        names[field.name] = field.name
    return names


def make_options(options_type: type, values: Mapping[str, object], owner: str) -> Any:
    """Makes the options of a processor.

    Args:
        options_type: The dataclass that the processor declares.
        values: Name to value. A text is converted to the field's type.
        owner: Name of the processor, for errors.

    Returns:
        An instance of `options_type`.

    Raises:
        ConfigurationError: An option is unknown, or a value is wrong.
    """
    names = field_names(options_type)
    known = [field.name for field in dataclasses.fields(options_type)]
    arguments: dict[str, object] = {}
    for name, value in values.items():
        if name not in names:
            raise ConfigurationError(
                f"processor {owner} has no option {shown(name)}{near_miss(name, names)}",
                allowed=", ".join(known) or "none: it has no options",
            )
        arguments[names[name]] = value
    try:
        return pydantic.TypeAdapter(options_type).validate_python(arguments)
    except pydantic.errors.PydanticUserError as error:
        # The dataclass itself cannot be read: a field of a type that neither text nor JSON can give.
        raise ConfigurationError(
            f"options of processor {owner} cannot be read: {str(error).splitlines()[0]}",
            remedy="declare fields of plain types: str, int, float, bool, and lists and dictionaries of them",
        ) from None
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "missing":
            raise ConfigurationError(f"processor {owner} needs option {first['loc'][0]!r}") from None
        place = ".".join(str(part) for part in first["loc"])
        given = first["input"] if place else arguments
        message = first["msg"].removeprefix("Value error, ")
        what = f"option {place} of processor {owner} is {shown(given)}" if place else f"options of processor {owner}"
        raise ConfigurationError(f"{what}: {message[:1].lower()}{message[1:]}") from None
    except Exception as error:
        # Of __post_init__: any error at all. Its text may name a path, and this one travels to clients.
        raise ConfigurationError(
            f"options of processor {owner}: its own check failed with {type(error).__name__}",
            remedy="see whether their values are what it can work with",
        ) from error


def parse_option(text: str) -> tuple[str, object]:
    """Splits ``key=value``; a value that is a JSON list or object is read as one, any other stays text.

    Raises:
        ConfigurationError: There is no ``=`` or no key.
    """
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ConfigurationError(f"option {text!r} is not key=value", allowed="for example threshold=100")
    if value[:1] in ("[", "{"):
        # What only looks like JSON may be a text that is meant, such as the pattern [a-z]+.
        with contextlib.suppress(ValueError):
            return name.strip(), json.loads(value)
    return name.strip(), value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)
